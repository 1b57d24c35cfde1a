import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { messageOf, UserError } from "../errors.ts";
import type { Sampler } from "../status/sampler.ts";
import { exposition } from "./exposition.ts";

/** Where to listen. */
export interface Address {
  host: string;
  port: number;
}

/** Reads HOST:PORT, [IPv6]:PORT or :PORT, which is every address. @throws UserError (exit code 2) */
export function parseAddress(text: string): Address {
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (digits === undefined || port > 65_535)
    throw new UserError(`--listen ${text} is no address`, {
      fix: "Write it as 127.0.0.1:9187, or :9187 for every address of this machine.",
      exitCode: 2,
    });
  return { host: bracketed ?? (plain || "0.0.0.0"), port };
}

/**
 * One scrape. A database that does not answer is a scrape too: pg_up is 0.
 * @param say gets why it did not
 */
export async function scrape(sampler: Sampler, database: string, say: (line: string) => void) {
  const started = performance.now();
  const taken = await sampler.sample().catch((error: unknown) => {
    say(`the database does not answer: ${messageOf(error)}`);
    return undefined;
  });
  return exposition({ taken, database, seconds: (performance.now() - started) / 1000 });
}

/**
 * Serves /metrics. Each scrape asks the database; those that come while one is under way share its answer, so that no
 * number of them is a load.
 * @throws UserError when the address cannot be listened on
 */
export async function serveMetrics(
  address: Address,
  read: () => Promise<{ type: string; text: string }>,
): Promise<Server> {
  let underWay: ReturnType<typeof read> | undefined;
  const server = createServer(async (request, response) => {
    const path = request.url?.split("?")[0];
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.writeHead(405, { allow: "GET, HEAD" }).end();
    } else if (path === "/") {
      const page = '<!doctype html><title>PostgreSQL</title><a href="/metrics">metrics</a>\n';
      response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(page);
    } else if (path !== "/metrics") {
      response.writeHead(404, { "content-type": "text/plain" }).end("there is only /metrics\n");
    } else {
      underWay ??= read().finally(() => {
        underWay = undefined;
      });
      const found = await underWay.catch((error: unknown) => ({ failed: messageOf(error) }));
      if ("failed" in found) response.writeHead(500, { "content-type": "text/plain" }).end(`${found.failed}\n`);
      else response.writeHead(200, { "content-type": found.type }).end(found.text);
    }
  });
  server.listen(address.port, address.host);
  try {
    await once(server, "listening");
  } catch (error) {
    throw new UserError(`cannot listen on ${address.host}:${address.port}`, {
      why: `${messageOf(error)}.`,
      fix: "Name another address with --listen.",
    });
  }
  return server;
}
