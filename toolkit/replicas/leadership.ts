/** Who is the primary, and by which right. */
export interface Leadership {
  primary: string | undefined;
  /** The highest timeline that a primary was seen on; a promotion begins a new one. */
  timeline: number;
  /** Servers that say they are primaries, and must not be written to or read from. */
  fenced: string[];
}

/** What is known of one server. */
export interface Claim {
  name: string;
  /** Undefined while it does not answer and never did. */
  standby: boolean | undefined;
  timeline: number | null;
  /** Whether it answered the last time it was asked. */
  answers: boolean;
}

/**
 * Decides who is the primary: whoever says so on the highest timeline, for a promotion begins a higher one, and a server
 * that was promoted past is never followed again, also when it is the only one that answers. A primary that does not
 * answer stays the primary until another one is there: it may only be busy.
 * @see https://www.postgresql.org/docs/current/continuous-archiving.html#BACKUP-TIMELINES
 */
export function decide(before: Leadership, servers: readonly Claim[]): Leadership {
  const claims = servers.filter(({ answers, standby }) => answers && standby === false);
  const timeline = Math.max(before.timeline, ...claims.map((claim) => claim.timeline ?? 0));
  const rightful = claims.filter((claim) => claim.timeline === timeline);
  const silent = servers.find(({ name, answers, standby }) => name === before.primary && !answers && !standby);
  const primary = (rightful.find(({ name }) => name === before.primary) ?? rightful[0] ?? silent)?.name;
  return { primary, timeline, fenced: claims.map(({ name }) => name).filter((name) => name !== primary) };
}
