import * as pulumi from "@pulumi/pulumi";

// A provider that says what it does. The configuration decides what the program asks for; certain sizes misbehave.
const provider = {
  check: async (_, news) => ({
    inputs: news,
    failures: news.size === 13 ? [{ property: "size", reason: "13 is unlucky" }] : [],
  }),
  diff: async (_, olds, news) => ({
    changes: olds.size !== news.size,
    replaces: olds.kind !== news.kind ? ["kind"] : [],
    deleteBeforeReplace: news.kind === "single",
  }),
  create: async (inputs) => {
    console.log(`making ${inputs.kind} ${inputs.size}`);
    if (inputs.kind === "slow") await new Promise((resolve) => setTimeout(resolve, 60_000));
    if (inputs.kind === "brief") await new Promise((resolve) => setTimeout(resolve, 1_500));
    if (inputs.size === 66)
      throw Object.assign(new Error("half made"), { id: "half", properties: inputs, reasons: ["66 is too much"] });
    // Late, so that what is made beside it is done by then.
    if (inputs.size === 67) await new Promise((resolve) => setTimeout(resolve, 1_500));
    if (inputs.size === 67) throw new Error("67 cannot be made\n  fix: choose another size");
    return {
      id: `${inputs.kind}-${inputs.size}`,
      outs: { ...inputs, doubled: inputs.size * 2, key: ["k3y", "of", "thing"].join("-") },
    };
  },
  update: async (id, olds, news) => {
    console.log(`changing ${id} from ${olds.size} to ${news.size}`);
    return { outs: { ...news, doubled: news.size * 2, key: olds.key ?? "none" } };
  },
  read: async (id, props) => {
    const { existsSync } = await import("node:fs");
    return existsSync(`${id}.gone`) ? {} : { id, props };
  },
  delete: async (id) => {
    console.log(`deleting ${id}`);
  },
};

class Thing extends pulumi.dynamic.Resource {
  constructor(name, props, options) {
    const outputs = { doubled: undefined, key: undefined };
    super(
      provider,
      name,
      { ...outputs, ...props },
      { additionalSecretOutputs: ["key"], ...options },
      undefined,
      "Thing",
    );
  }
}

class Pair extends pulumi.ComponentResource {
  constructor(name, size) {
    super("demo:Pair", name, {});
    const inner = new Thing("inner", { size, kind: "plain" }, { parent: this });
    this.registerOutputs({ doubled: inner.doubled });
  }
}

export default function program() {
  const config = new pulumi.Config();
  if (config.get("broken")) throw new pulumi.RunError("the configuration is wrong");
  const size = config.requireNumber("size");
  const first = new Thing("first", {
    size,
    kind: config.require("kind"),
    token: pulumi.secret("s3cr3t-token"),
  });
  if (config.get("cloud")) new pulumi.CustomResource("aws:s3/bucket:Bucket", "bucket", { name: first.id });
  if (!config.getBoolean("alone")) {
    const options = { protect: config.getBoolean("protect"), retainOnDelete: config.getBoolean("retain") };
    new Thing("second", { size: first.doubled, kind: "plain" }, options);
    new Pair("pair", 5);
  }
  return { doubled: first.doubled, key: first.key, sizes: [size, size] };
}
