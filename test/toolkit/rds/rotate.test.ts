import {
  CreateSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
} from "@aws-sdk/client-secrets-manager";
import { beforeAll, describe, expect, test } from "@jest/globals";
import { rotate } from "../../../toolkit/rds/rotate.ts";
import { findMoto } from "../backup/moto.ts";
import { failure } from "../backup/support.ts";
import { seen, startAccount, writes } from "./support.ts";

const moto = findMoto();
const here = moto ? describe : describe.skip;

here("a master password, as moto's server plays RDS and Secrets Manager", () => {
  let account: Awaited<ReturnType<typeof startAccount>>;
  let endpoint: string;
  const secret = { SecretId: "own" };
  const current = async () => {
    // Named, for without it moto gives the version that was written last.
    const asked = new GetSecretValueCommand({ ...secret, VersionStage: "AWSCURRENT" });
    return JSON.parse((await account.secrets.send(asked)).SecretString!);
  };
  const rotated = (instance: string, id?: string, dry = false) =>
    seen(instance, (session) => rotate(session, id), { endpoint, dry });
  const passwordOf = ({ calls }: Awaited<ReturnType<typeof rotated>>) =>
    (calls.find(({ operation }) => operation === "ModifyDBInstance")!.input as { MasterUserPassword?: string })
      .MasterUserPassword;

  beforeAll(async () => {
    account = await startAccount(moto!);
    endpoint = account.endpoint;
    await account.makeInstance("investment");
    const SecretString = JSON.stringify({ username: "postgres", password: "the first" });
    await account.secrets.send(new CreateSecretCommand({ Name: "own", SecretString }));
  });

  test("in a secret of our own, the instance and the secret get the same new one, and nobody sees it", async () => {
    const dry = await rotated("investment", "own", true);
    expect(JSON.stringify(dry.calls)).not.toContain("the first");
    expect(await current()).toEqual({ username: "postgres", password: "the first" });
    const real = await rotated("investment", "own");
    expect(writes(dry.calls)).toEqual(writes(real.calls));
    const { username, password } = await current();
    expect([username, passwordOf(real)]).toEqual(["postgres", password]);
    expect(password).toMatch(/^[A-Za-z0-9]{32}$/);
    expect(real.lines).toEqual(["the master password of investment is changed, and in own"]);
  });

  test("a rotation that was cut off after it stored the password goes on with that one", async () => {
    const SecretString = JSON.stringify({ username: "postgres", password: "begun" });
    await account.secrets.send(new PutSecretValueCommand({ ...secret, SecretString, VersionStages: ["AWSPENDING"] }));
    const { lines, calls, ...rest } = await rotated("investment", "own");
    expect(lines[0]).toBe("a rotation was begun before: going on with its password");
    expect([passwordOf({ lines, calls, ...rest }), (await current()).password]).toEqual(["begun", "begun"]);
    const { VersionIdsToStages = {} } = await account.secrets.send(new DescribeSecretCommand(secret));
    expect(Object.values(VersionIdsToStages).flat().sort()).toEqual(["AWSCURRENT", "AWSPREVIOUS"]);
  });

  test("a managed one is rotated by RDS, and each kind refuses to be taken for the other", async () => {
    expect(await failure(rotated("investment"))).toBe(
      "RDS does not manage the password of investment\n" +
        "  why: It is in a secret of your own.\n" +
        "  fix: Name the secret: --secret NAME-OR-ARN.",
    );
    await account.makeInstance("managed", { ManageMasterUserPassword: true, MasterUserPassword: undefined });
    expect(await failure(rotated("managed", "own"))).toBe(
      "the password of managed is managed: it is not in own\n  fix: Leave out --secret.",
    );
    const { calls } = await rotated("managed");
    expect(calls.find(({ operation }) => operation === "ModifyDBInstance")!.input).toEqual({
      DBInstanceIdentifier: "managed",
      RotateMasterUserPassword: true,
      ApplyImmediately: true,
    });
  });
});
