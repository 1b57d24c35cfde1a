/** Minutes since Sunday 00:00 UTC; `end` may lie past the end of the week, and then wraps round. */
export interface Window {
  start: number;
  end: number;
}

const [hour, day, week] = [60, 24 * 60, 7 * 24 * 60];
const days = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

const time = "([01]\\d|2[0-3]):([0-5]\\d)";
const dayTime = `(${days.join("|")}):${time}`;
export const backupWindowForm = new RegExp(`^${time}-${time}$`);
export const maintenanceWindowForm = new RegExp(`^${dayTime}-${dayTime}$`);

/** Reads a maintenance window, `sun:03:00-sun:04:00`. */
export function maintenanceWindow(text: string): Window {
  const [, fromDay, fromHour, fromMinute, toDay, toHour, toMinute] = maintenanceWindowForm.exec(text)!;
  const at = (name: string, hours: string, minutes: string) =>
    days.indexOf(name) * day + Number(hours) * hour + Number(minutes);
  const start = at(fromDay!, fromHour!, fromMinute!);
  const end = at(toDay!, toHour!, toMinute!);
  return { start, end: end > start ? end : end + week };
}

/** Reads a backup window, `01:00-02:00`: one for each day of the week. */
export function backupWindows(text: string): Window[] {
  const [, fromHour, fromMinute, toHour, toMinute] = backupWindowForm.exec(text)!.map(Number);
  const start = fromHour! * hour + fromMinute!;
  const end = toHour! * hour + toMinute!;
  const length = end > start ? end - start : end + day - start;
  return days.map((_, index) => ({ start: index * day + start, end: index * day + start + length }));
}

/** Minutes that a window is open. */
export const lengthOf = ({ start, end }: Window) => end - start;

/** Whether two windows share a minute, also across the end of the week. */
export function overlap(a: Window, b: Window): boolean {
  return [-week, 0, week].some((shift) => a.start + shift < b.end && b.start < a.end + shift);
}

/**
 * The full hour (0 to 23, UTC), soon after the backup window, in which AWS Backup may begin a job: RDS takes none in
 * either window, nor in the hour before one.
 * @returns undefined where no hour of the day is free
 * @see https://docs.aws.amazon.com/aws-backup/latest/devguide/plan-options-and-configuration.html
 */
export function quietHour(backup: string, maintenance: string): number | undefined {
  const daily = backupWindows(backup);
  const closed = [...daily, maintenanceWindow(maintenance)].map(({ start, end }) => ({ start: start - hour, end }));
  const first = Math.ceil(daily[0]!.end / hour);
  const hours = Array.from({ length: 24 }, (_, index) => (first + index) % 24);
  const asWindow = (index: number, atHour: number) => ({
    start: index * day + atHour * hour,
    end: index * day + (atHour + 1) * hour,
  });
  return hours.find(
    (atHour) => !days.some((_, index) => closed.some((window) => overlap(asWindow(index, atHour), window))),
  );
}
