import { createHash } from "node:crypto";
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { UserError } from "../../toolkit/errors.ts";
import { type Crypter, findPassphrase, newCrypter, openCrypter } from "./passphrase.ts";
import { isObject, mapSecrets, type Properties, secret, secretSignature, signatureKey } from "./wire.ts";

/** A resource as a Pulumi deployment holds it (`apitype.ResourceV3`); what is not named here is kept as it is. */
export interface ResourceState {
  urn: string;
  type: string;
  custom: boolean;
  id?: string;
  inputs?: Properties;
  outputs?: Properties;
  parent?: string;
  provider?: string;
  dependencies?: string[];
  propertyDependencies?: Record<string, string[]>;
  additionalSecretOutputs?: string[];
  protect?: boolean;
  retainOnDelete?: boolean;
  /** A replaced resource that is still to be deleted. */
  delete?: boolean;
  /** Why a resource that exists is not complete: the next `up` updates it. */
  initErrors?: string[];
  created?: string;
  modified?: string;
}

/** A step that was under way when the state was last written. */
export interface PendingOperation {
  resource: ResourceState;
  type: "creating" | "updating" | "deleting";
}

/** Where a stack's state, passphrase and server are, relative to the project. */
export const stackFolder = (stack: string) => join(".local", stack);

/**
 * The state of a stack: a Pulumi deployment of version 3, the form of `pulumi stack export`. Secrets are encrypted, the
 * file has mode 0600, and it is replaced whole after every step, so that a killed run leaves the last one.
 */
export class StackState {
  readonly file: string;
  resources: ResourceState[] = [];
  /** What the last run left unfinished. */
  interrupted: PendingOperation[] = [];
  /** Whether there is a state at all. */
  exists = false;
  #crypter: Crypter | undefined;
  // The same plaintext keeps its ciphertext, so that an `up` that changes nothing leaves the file as it is.
  #ciphertexts = new Map<string, string>();
  #passphraseFile: string;

  constructor(stack: string) {
    this.file = join(stackFolder(stack), "state.json");
    this.#passphraseFile = join(stackFolder(stack), "passphrase");
    this.#load();
  }

  #load(): void {
    let text: string;
    try {
      text = readFileSync(this.file, "utf8");
    } catch (error) {
      if ((error as { code?: string }).code === "ENOENT") return;
      throw error;
    }
    const { version, deployment } = parse(text, this.file);
    if (version !== 3)
      throw new UserError(`the state ${this.file} has version ${version}; this engine reads version 3`, {
        fix: "Use a `pulumi` of the version that wrote it.",
      });
    this.exists = true;
    const provider = deployment.secrets_providers as { type: string; state: { salt: string } } | undefined;
    if (provider && provider.type !== "passphrase")
      throw new UserError(`the secrets of this stack are kept by ${provider.type}`, {
        fix: "Install Pulumi's own engine: this one only knows passphrases.",
      });
    const stored = (deployment.resources ?? []) as ResourceState[];
    this.interrupted = ((deployment.pending_operations ?? []) as PendingOperation[]).map((operation) => ({
      ...operation,
      resource: this.#decrypted(operation.resource, provider?.state.salt),
    }));
    this.resources = stored.map((resource) => this.#decrypted(resource, provider?.state.salt));
  }

  #decrypted(resource: ResourceState, salt: string | undefined): ResourceState {
    return mapSecrets(resource, ({ ciphertext, plaintext }) => {
      if (typeof plaintext === "string") return secret(JSON.parse(plaintext));
      this.#crypter ??= openCrypter(findPassphrase(this.#passphraseFile), salt ?? "");
      const text = this.#crypter.decrypt(String(ciphertext));
      this.#ciphertexts.set(text, String(ciphertext));
      return secret(JSON.parse(text));
    });
  }

  #encrypted(resource: ResourceState): ResourceState {
    return mapSecrets(resource, ({ value }) => {
      const text = JSON.stringify(value ?? null);
      this.#crypter ??= newCrypter(findPassphrase(this.#passphraseFile));
      const ciphertext = this.#ciphertexts.get(text) ?? this.#crypter.encrypt(text);
      this.#ciphertexts.set(text, ciphertext);
      return { [signatureKey]: secretSignature, ciphertext };
    });
  }

  /** Writes the state; `pending` are the steps that begin now. */
  save(resources: ResourceState[], pending: PendingOperation[] = []): void {
    this.resources = resources;
    const encrypted = resources.map((resource) => this.#encrypted(resource));
    const operations = pending.map((operation) => ({ ...operation, resource: this.#encrypted(operation.resource) }));
    const deployment = {
      manifest: manifest(),
      ...(this.#crypter && { secrets_providers: { type: "passphrase", state: { salt: this.#crypter.salt } } }),
      resources: encrypted,
      ...(operations.length > 0 && { pending_operations: operations }),
      metadata: {},
    };
    writeWhole(this.file, `${JSON.stringify({ version: 3, deployment }, null, 2)}\n`);
    this.exists = true;
  }
}

/** The engine checks that `magic` is the hash of the version; the version says honestly who wrote the state. */
function manifest() {
  const version = "v3.0.0-stand-in";
  return { time: new Date().toISOString(), magic: createHash("sha256").update(version).digest("hex"), version };
}

function parse(text: string, file: string): { version: unknown; deployment: Record<string, unknown> } {
  try {
    const value: unknown = JSON.parse(text);
    if (isObject(value) && isObject(value.deployment)) return { version: value.version, deployment: value.deployment };
  } catch {
    // Said below.
  }
  throw new UserError(`the state ${file} is damaged: it is not a Pulumi deployment`, {
    fix: "Put back a copy of it. Without one, move it aside and run `npm run up`: it adopts the server that is there.",
  });
}

/** Replaces a file by a whole new one, or leaves the old one, whenever the process or the machine stops. */
function writeWhole(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const next = `${file}.${process.pid}.new`;
  const handle = openSync(next, "w", 0o600);
  try {
    writeSync(handle, text);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  renameSync(next, file);
}
