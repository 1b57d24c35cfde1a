import { expect, test } from "@jest/globals";
import type { Context } from "../../../toolkit/cli.ts";
import { withClient } from "../../../toolkit/connection.ts";
import { command as forecast } from "../../../toolkit/history/forecastCommand.ts";
import { command as record } from "../../../toolkit/history/recordCommand.ts";
import { command as regressions } from "../../../toolkit/history/regressionsCommand.ts";
import { command as trends } from "../../../toolkit/history/trendsCommand.ts";
import { createDatabase } from "../../support/database.ts";

const context = { thresholds: { "sizes.diskBytes": 1 } } as unknown as Context;

/** What a command prints on stdout, and its exit code. */
async function printed(run: () => Promise<number>): Promise<{ code: number; text: string }> {
  const { write } = process.stdout;
  let text = "";
  process.stdout.write = ((part: string) => {
    text += part;
    return true;
  }) as typeof write;
  try {
    return { code: await run(), text };
  } finally {
    process.stdout.write = write;
  }
}

test("the commands record, and read what was recorded", async () => {
  const { connection, drop } = await createDatabase();
  try {
    await expect(trends([], connection)).rejects.toThrow(
      [
        "nothing was recorded here yet",
        "  fix: Start `toolkit record`, and leave it running; `toolkit record --once` from cron does as well.",
      ].join("\n"),
    );
    const once = await printed(() => record(["--once", "--json"], connection, {} as Context));
    expect(JSON.parse(once.text)).toEqual({
      takenAt: expect.stringMatching(/^\d{4}-.*Z$/),
      numbers: expect.any(Number),
      milliseconds: expect.any(Number),
    });
    await record(["--once"], connection, {} as Context);
    const shown = await printed(() => trends(["connections.limit", "transactions.committed"], connection));
    expect(shown.code).toBe(0);
    expect(shown.text).toMatch(
      /^metric +object +first +last +least +most +a day +course\nconnections\.limit +197 sessions +197 sessions .*\ntransactions\.committed +[\d.]+ transactions\/s /,
    );
    // The configured disk is full; its size on the command line wins.
    const full = await printed(() => forecast([], connection, context));
    expect(full.code).toBe(1);
    expect(full.text).toMatch(
      /^disk: [\d.]+ MB now of 1 bytes: it has run out\.\n {2}why: PostgreSQL stops when it cannot write\.\n {2}fix: /,
    );
    const roomy = await printed(() => forecast(["--disk", "900TB", "--json"], connection, context));
    expect(roomy.code).toBe(0);
    expect(JSON.parse(roomy.text)[0]).toMatchObject({ resource: "disk", state: "too little history", at: null });
    expect(JSON.parse((await printed(() => regressions(["--json"], connection))).text)).toEqual({
      ...{ deploys: [], compared: 0, regressions: [] },
    });
    await withClient(connection, {}, (client) => client.query("drop schema monitoring cascade"));
  } finally {
    await drop();
  }
});

test("wrong usage is refused before there is a connection", async () => {
  const nowhere = {} as Parameters<typeof trends>[1];
  const wrong: [run: () => Promise<number>, message: string][] = [
    [
      () => record(["--once", "--interval", "15s"], nowhere, {} as Context),
      "--once and --interval do not go together\n  fix: Choose one.",
    ],
    [
      () => record(["--interval", "soon"], nowhere, {} as Context),
      "--interval soon is not a length of time\n  fix: Write it as 15s, 5m, 12h, 7d or 2w.",
    ],
    [
      () => record(["--interval", "1h"], nowhere, {} as Context),
      "--interval 1h is not from 1s to 5m\n  why: Numbers that are made coarser to five minutes need at least one in them.\n  fix: For rarer ones, call --once from cron.",
    ],
    [() => trends(["nothing"], nowhere), "there is no metric nothing\n  fix: `toolkit trends --help` lists them."],
    [
      () => forecast(["--disk", "much"], nowhere, {} as Context),
      "--disk much is not a size\n  fix: Write it as 100GB.",
    ],
  ];
  for (const [run, message] of wrong) await expect(run()).rejects.toMatchObject({ message, exitCode: 2 });
});
