import { startScratchServer } from "../../../../toolkit/migrate/locks/scratchServer.ts";

/**
 * A process with a scratch server, to be killed: prints the server's folder and port, and stays. With an argument it
 * kills itself as hard as the system can, that many milliseconds after it began to start the server.
 */
const [delay] = process.argv.slice(2);
if (delay) setTimeout(() => process.kill(process.pid, "SIGKILL"), Number(delay));
const { folder, connection } = await startScratchServer();
console.log(JSON.stringify({ folder, port: connection.port }));
setInterval(() => {}, 1_000);
