import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createServer } from "node:http";
import { freePort } from "../../support/server.ts";
import { afterwards } from "./support.ts";

// The module of the Python on PATH, or moto's own program; the first question is the quicker one to answer.
const ways = [
  { ask: ["python3", "-c", "import moto.server"], command: ["python3", "-m", "moto.server"] },
  { ask: ["moto_server", "--help"], command: ["moto_server"] },
];

/** How moto's server is started here; undefined where it is not installed. */
export function findMoto(): string[] | undefined {
  const answers = ([program, ...args]: string[]) => spawnSync(program!, args, { stdio: "ignore" }).status === 0;
  return ways.find(({ ask }) => answers(ask))?.command;
}

/**
 * Starts moto's server, behind a proxy that gives every instance the address of a PostgreSQL: moto's instances have none.
 * @returns the endpoint for the AWS SDK
 */
export async function startMoto(
  [program, ...args]: string[],
  address: { host: string; port: number },
): Promise<string> {
  const port = await freePort();
  const child: ChildProcess = spawn(program!, [...args, "-p", String(port)], { stdio: "ignore" });
  afterwards(async () => {
    child.kill("SIGKILL");
  });
  const moto = `http://127.0.0.1:${port}`;
  for (const started = Date.now(); !(await fetch(moto).catch(() => undefined)); await pause(50))
    if (Date.now() - started > 30_000) throw new Error("moto's server does not answer");
  const proxy = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const headers = Object.entries(request.headers).filter(
      ([name]) => !/^(host|connection|content-length)$/.test(name),
    );
    const answer = await fetch(moto + request.url, {
      method: request.method!,
      headers: Object.fromEntries(headers) as Record<string, string>,
      body: Buffer.concat(chunks),
    });
    const text = (await answer.text())
      .replace(/<Address>[^<]*<\/Address>/g, `<Address>${address.host}</Address>`)
      .replace(/<Port>\d+<\/Port>/g, `<Port>${address.port}</Port>`);
    response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "text/xml" }).end(text);
  });
  await new Promise<void>((done) => proxy.listen(0, "127.0.0.1", done));
  afterwards(async () => {
    proxy.closeAllConnections();
    proxy.close();
  });
  return `http://127.0.0.1:${(proxy.address() as { port: number }).port}`;
}

const pause = (milliseconds: number) => new Promise((done) => setTimeout(done, milliseconds));
