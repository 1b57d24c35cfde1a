import * as pulumi from "@pulumi/pulumi";
import { dynamicProvider } from "./dynamic.ts";
import type { Migrations } from "./migrations.ts";
import type { Server } from "./server/index.ts";

const provider = dynamicProvider("toolkit/load/resource.ts");

/** Real prices for a first look: the daily S&P 500 and five stocks, from the npm package `vega-datasets`. */
export class SampleData extends pulumi.dynamic.Resource {
  declare readonly report: pulumi.Output<{ question: string; answer: string }[]>;

  constructor(name: string, server: Server, migrations: Migrations, options?: pulumi.CustomResourceOptions) {
    super(
      provider,
      name,
      {
        connection: server.connection,
        server: server.identity,
        fingerprint: migrations.fingerprint,
        report: undefined,
      },
      { additionalSecretOutputs: ["connection"], ...options },
      undefined,
      "SampleData",
    );
  }
}
