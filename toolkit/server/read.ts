import { messageOf, UserError } from "../errors.ts";
import type { ReadResult } from "../provider.ts";
import { readCluster } from "./cluster.ts";
import { serverStatus } from "./control.ts";
import { asSuperuser, connectionTo } from "./live.ts";
import { systemIdentifierIn } from "./owner.ts";
import { findPlace } from "./place.ts";
import type { ServerOutputs } from "./properties.ts";

/**
 * What is really there. A server that does not run is not gone: its data is; without its data folder it is.
 * @throws UserError when there is a data folder that cannot be read
 */
export async function readServer(id: string, props: ServerOutputs): Promise<ReadResult<ServerOutputs>> {
  const place = await findPlace(props.directory);
  if ((await readCluster(place.data))?.systemIdentifier !== systemIdentifierIn(id)) {
    console.log(`the data folder ${place.data} is gone, or of another server`);
    return {};
  }
  const real: ServerOutputs = { ...props, dataDirectory: place.data };
  const running = await serverStatus(place.data);
  if (!running?.ready) {
    console.log("the server is not running: up will start it");
    return { id, props: real };
  }
  const { port } = running;
  return {
    id,
    props: {
      ...real,
      port,
      connection: connectionTo(port, props.connection.database, props.password),
      serverVersion: (await versionOf(port, props.password)) ?? props.serverVersion,
    },
  };
}

async function versionOf(port: number, password: string): Promise<string | undefined> {
  try {
    return await asSuperuser(port, password, async (client) => {
      const { rows } = await client.query<{ version: string }>(
        "select split_part(current_setting('server_version'), ' ', 1) as version",
      );
      return rows[0]!.version;
    });
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    console.log(messageOf(error));
    return undefined;
  }
}
