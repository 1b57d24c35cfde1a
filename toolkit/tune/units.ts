/** PostgreSQL's base units, in which pg_settings and RDS's parameter groups take bare numbers. */
export type Unit = "8kB" | "kB" | "MB" | "ms" | "s" | "min";

export type Value = number | boolean | string;

export const [kB, MB, GB] = [1024, 1024 ** 2, 1024 ** 3];
const bytesOf: Partial<Record<Unit, number>> = { "8kB": 8 * kB, kB, MB };

/** Bytes as a whole number of a unit of memory. */
export function inUnit(bytes: number, unit: "8kB" | "kB" | "MB"): number {
  return Math.floor(bytes / bytesOf[unit]!);
}

/** A number of a unit of memory in bytes. */
export function inBytes(value: number, unit: "8kB" | "kB" | "MB"): number {
  return value * bytesOf[unit]!;
}

/** A value as PostgreSQL shows it: memory in the largest unit that keeps it whole, or to a tenth of a GB from 10 GB on. */
export function readable(value: Value, unit?: Unit | null): string {
  if (typeof value === "boolean") return value ? "on" : "off";
  if (typeof value === "string" || !unit) return String(value);
  const size = bytesOf[unit];
  if (!size) return `${value}${unit}`;
  const bytes = value * size;
  if (bytes % GB === 0) return `${bytes / GB}GB`;
  if (bytes >= 10 * GB) return `${(bytes / GB).toFixed(1)}GB`;
  return bytes >= 10 * MB || bytes % MB === 0 ? `${Math.round(bytes / MB)}MB` : `${Math.floor(bytes / kB)}kB`;
}

/**
 * Reads an amount of memory as PostgreSQL writes it: 8GB, 512MB.
 * @returns bytes; undefined for what is none
 */
export function parseMemory(text: string): number | undefined {
  const [, digits, unit] = /^(\d{1,7}(?:\.\d)?)\s?([MGT])i?B$/i.exec(text) ?? [];
  const factor = { M: MB, G: GB, T: 1024 * GB }[unit?.toUpperCase() ?? ""];
  return factor && Number(digits) > 0 ? Number(digits) * factor : undefined;
}
