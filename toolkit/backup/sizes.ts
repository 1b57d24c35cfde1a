const units = ["bytes", "kB", "MB", "GB", "TB"];
const [minute, hour, day] = [60_000, 3_600_000, 86_400_000];

/** A number of bytes for people, with PostgreSQL's units of 1024. */
export function bytes(value: number): string {
  let [amount, unit] = [value, 0];
  while (amount >= 1024 && unit < units.length - 1) [amount, unit] = [amount / 1024, unit + 1];
  return `${amount >= 100 || unit === 0 ? Math.round(amount) : amount.toFixed(1)} ${units[unit]}`;
}

/** How long ago something was, for people. */
export function age(at: string, now = Date.now()): string {
  const passed = Math.max(now - Date.parse(at), 0);
  if (passed < hour) return `${Math.floor(passed / minute)} min`;
  return passed < 2 * day ? `${Math.floor(passed / hour)} h` : `${Math.floor(passed / day)} d`;
}
