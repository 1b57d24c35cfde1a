import { createInterface } from "node:readline/promises";

/**
 * Asks on the terminal, y or N.
 * @param interrupt called on Ctrl-C, which readline takes for itself while it asks
 * @returns "nobody to ask" where there is no terminal
 */
export async function confirmOnTerminal(
  question: string,
  interrupt: () => void,
): Promise<"yes" | "no" | "nobody to ask"> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) return "nobody to ask";
  const asking = new AbortController();
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  lines.on("SIGINT", () => {
    interrupt();
    asking.abort();
  });
  try {
    const answer = await lines.question(`      ${question} [y/N] `, { signal: asking.signal });
    return /^y(es)?$/i.test(answer.trim()) ? "yes" : "no";
  } catch {
    return "no";
  } finally {
    lines.close();
  }
}
