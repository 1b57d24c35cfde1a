import type { Problem } from "../keyChecks.ts";

/** Hours that an alarm of CloudWatch can look back: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html. */
const mostLookback = 7 * 24;

/** Hours that a run may come late and still be in time: it takes up to one, and a clock is put back by one. */
const lateness = 3;

/**
 * Hours between two runs of a schedule, one after the other for a day or a turn. Of cron's forms those that run every day, at
 * a minute of one hour or more.
 * @returns undefined for another form
 * @see https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html
 */
export function gapsOf(expression: string): number[] | undefined {
  const [, amount, unit] = /^rate\(([1-9]\d{0,3}) (minute|hour|day)s?\)$/.exec(expression) ?? [];
  if (amount && unit) return [(Number(amount) * { minute: 1, hour: 60, day: 24 * 60 }[unit]!) / 60];
  const [, minute, text] = /^cron\((\d{1,2}) (\S+) (?:\* \* \?|\? \* \*) \*\)$/.exec(expression) ?? [];
  const hours = text === undefined ? [] : hoursOf(text);
  if (hours.length === 0 || Number(minute) > 59) return undefined;
  return hours.map((hour, index) => (hours[index + 1] ?? hours[0]! + 24) - hour);
}

/** The hours of cron's second field: `*`, `*` by a step, or a list. */
function hoursOf(text: string): number[] {
  const day = Array.from({ length: 24 }, (_, hour) => hour);
  const [, step] = /^\*(?:\/([1-9]\d?))?$/.exec(text) ?? [];
  if (text.startsWith("*")) return step || text === "*" ? day.filter((hour) => hour % Number(step ?? 1) === 0) : [];
  const hours = text.split(",");
  return hours.every((hour) => /^\d{1,2}$/.test(hour) && Number(hour) < 24)
    ? [...new Set(hours.map(Number))].sort((one, other) => one - other)
    : [];
}

/** Hours after which a run is missing. */
export const patienceOf = (expression: string): number => Math.ceil(Math.max(...gapsOf(expression)!)) + lateness;

/** Runs of a month of 730 hours. */
export const runsPerMonth = (gaps: readonly number[]): number =>
  (730 * gaps.length) / gaps.reduce((sum, gap) => sum + gap, 0);

/** What `maintenanceSchedule` may be: every hour at most, and at least so often that its lack can be noticed. */
export function checkSchedule(expression: string): Problem | undefined {
  const gaps = gapsOf(expression);
  const example = "cron(17 5 * * ? *), each day at 05:17, or rate(12 hours)";
  if (!gaps) return { reason: "it is neither a cron(…) of every day nor a rate(…)", fix: `write it like ${example}` };
  if (Math.min(...gaps) < 1)
    return { reason: "a run may take an hour", fix: `leave an hour between two, like ${example}` };
  return Math.max(...gaps) + lateness <= mostLookback
    ? undefined
    : {
        reason: "the alarm for runs that do not come looks back seven days",
        fix: `let it run at least every six days, like ${example}`,
      };
}

/** Whether a time zone is one that there is, as Europe/Berlin. */
export function checkTimeZone(timeZone: string): Problem | undefined {
  try {
    new Intl.DateTimeFormat("en", { timeZone });
    if (/^[A-Za-z]/.test(timeZone)) return undefined;
  } catch {
    // It is none: said below.
  }
  return { reason: "there is no such time zone", fix: "write it like UTC or Europe/Berlin" };
}

/** A rate of EventBridge Scheduler. */
export const everyMinutes = (minutes: number): string => `rate(${minutes} ${minutes === 1 ? "minute" : "minutes"})`;
