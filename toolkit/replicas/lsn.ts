/*
 * Positions in the write-ahead log, as numbers of bytes.
 * https://www.postgresql.org/docs/current/datatype-pg-lsn.html
 */

/** As PostgreSQL writes it: "16/B374D848". */
export function formatLsn(position: bigint): string {
  return `${(position >> 32n).toString(16)}/${(position & 0xffffffffn).toString(16)}`.toUpperCase();
}

/** @throws SyntaxError when it is no position */
export function parseLsn(text: string): bigint {
  const [high, low] = text.split("/");
  return (BigInt(`0x${high}`) << 32n) + BigInt(`0x${low}`);
}
