import { settingLine } from "../server/settings.ts";

/**
 * The settings of a scratch server. It is thrown away, so nothing has to survive a power cut; and it has to be able to hold
 * what the server that it was copied from held.
 */
const settings: Readonly<Record<string, string>> = {
  listen_addresses: "",
  unix_socket_permissions: "0700",
  fsync: "off",
  synchronous_commit: "off",
  full_page_writes: "off",
  autovacuum: "off",
  shared_buffers: "32MB",
  max_wal_size: "1GB",
  maintenance_work_mem: "64MB",
  // A server that recovers with prepared transactions needs a place for each: they cost a kilobyte.
  max_prepared_transactions: "200",
  // A parent with hundreds of partitions takes a lock for each, and for each of their indexes.
  max_locks_per_transaction: "1024",
  max_connections: "20",
};

/** The configuration files of a scratch server, by name. */
export function renderConfiguration(how: { socketFolder: string; port: number }): Record<string, string> {
  const all = { ...settings, unix_socket_directories: how.socketFolder, port: String(how.port) };
  return {
    "postgresql.conf": `${Object.entries(all).map(settingLine).join("\n")}\n`,
    // Only its owner can enter the folder of the socket.
    "pg_hba.conf": "local all all trust\n",
    "pg_ident.conf": "",
  };
}
