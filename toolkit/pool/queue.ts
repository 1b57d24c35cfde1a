/** Places in a pool, handed out in the order of asking. */
export interface FairQueue {
  /** Places that are taken. */
  readonly taken: number;
  /** Requests that wait. */
  readonly waiting: number;
  /** Takes a place where one is free. @returns whether it did */
  enterNow(): boolean;
  /**
   * Waits for a place.
   * @param patience milliseconds until `overdue` is asked
   * @param overdue the error to give up with, or how many milliseconds more to wait
   * @throws what `overdue` returns
   */
  enter(patience: number, overdue: (before: number) => Error | number): Promise<void>;
  /** Gives a place back: to the one who has waited longest, and to nobody who comes meanwhile. */
  leave(): void;
  /** Turns away everybody who waits. */
  refuseAll(error: Error): void;
}

interface Waiter {
  admit(): void;
  refuse(error: Error): void;
}

/** A queue with so many places. */
export function fairQueue(places: number): FairQueue {
  let taken = 0;
  const waiters: Waiter[] = [];

  return {
    get taken() {
      return taken;
    },
    get waiting() {
      return waiters.length;
    },
    enterNow() {
      if (taken >= places) return false;
      taken += 1;
      return true;
    },
    async enter(patience, overdue) {
      if (this.enterNow()) return;
      await new Promise<void>((resolve, reject) => {
        let timer: NodeJS.Timeout;
        const waiter: Waiter = {
          admit() {
            clearTimeout(timer);
            resolve();
          },
          refuse(error) {
            clearTimeout(timer);
            reject(error);
          },
        };
        const giveUp = () => {
          const before = waiters.indexOf(waiter);
          const verdict = overdue(before);
          if (typeof verdict === "number") {
            timer = setTimeout(giveUp, verdict);
            return;
          }
          waiters.splice(before, 1);
          reject(verdict);
        };
        timer = setTimeout(giveUp, patience);
        waiters.push(waiter);
      });
    },
    leave() {
      // The place passes on: at no moment is it free for one who has not waited.
      const next = waiters.shift();
      if (next) next.admit();
      else taken -= 1;
    },
    refuseAll(error) {
      for (const waiter of waiters.splice(0)) waiter.refuse(error);
    },
  };
}
