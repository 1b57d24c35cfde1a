import { setTimeout as wait } from "node:timers/promises";
import { findBinaries } from "../../server/binaries.ts";
import { exists } from "../../server/files.ts";
import { removeScratchFolder } from "../../server/scratchFolder.ts";
import { serverUser } from "../../server/systemUser.ts";

/**
 * A process beside one that has a scratch server. Its stdin is a pipe that ends with that process, also when it is
 * killed; then the server goes, and its folder with it.
 */

// A killed run may have been about to start the server: its programs go on for a moment, so that we look more than once.
const looks = 20;
const pause = 500;

const [folder] = process.argv.slice(2);
for await (const _ of process.stdin);
if (folder && (await exists(folder))) {
  const user = await serverUser();
  const binaries = await findBinaries(user);
  for (let look = 0; look < looks && (await exists(folder)); look++) {
    await removeScratchFolder(folder, binaries, user).catch(() => {});
    await wait(pause);
  }
}
