import { createCipheriv, createDecipheriv, pbkdf2Sync, randomBytes } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { UserError } from "../../toolkit/errors.ts";

/**
 * Encrypts and decrypts secrets exactly as Pulumi's `passphrase` secrets provider does, so that the real engine can
 * read a state of ours: AES-256-GCM, the key from PBKDF2 with SHA-256 and 1,000,000 rounds.
 * @see https://www.pulumi.com/docs/iac/concepts/secrets/#changing-the-secrets-provider-for-a-stack
 */
export interface Crypter {
  /** What a state and a stack's `encryptionsalt` hold: enough to check a passphrase, not to find it. */
  salt: string;
  encrypt(plaintext: string): string;
  decrypt(ciphertext: string): string;
}

const [rounds, keyBytes, nonceBytes, tagBytes] = [1_000_000, 32, 12, 16];

/** Makes the crypter of a new stack. */
export function newCrypter(passphrase: string): Crypter {
  const bytes = randomBytes(8);
  const key = derive(passphrase, bytes);
  return crypterOf(key, `v1:${bytes.toString("base64")}:${encryptWith(key, "pulumi")}`);
}

/**
 * Makes the crypter of a stack that exists.
 * @throws UserError when the passphrase is not the one that the stack was made with
 */
export function openCrypter(passphrase: string, salt: string): Crypter {
  const [version, bytes, ...check] = salt.split(":");
  const key = derive(passphrase, Buffer.from(bytes ?? "", "base64"));
  try {
    if (version !== "v1" || decryptWith(key, check.join(":")) !== "pulumi") throw new Error("another passphrase");
  } catch {
    throw new UserError("the passphrase is not the one that this stack's secrets were encrypted with", {
      fix: "Set PULUMI_CONFIG_PASSPHRASE (or PULUMI_CONFIG_PASSPHRASE_FILE) to the right one.",
    });
  }
  return crypterOf(key, salt);
}

/**
 * The passphrase of a stack: PULUMI_CONFIG_PASSPHRASE, the file of PULUMI_CONFIG_PASSPHRASE_FILE, or a random one that
 * is made once and kept in `ownFile`, which only its owner can read.
 */
export function findPassphrase(ownFile: string): string {
  if (process.env.PULUMI_CONFIG_PASSPHRASE !== undefined) return process.env.PULUMI_CONFIG_PASSPHRASE;
  const named = process.env.PULUMI_CONFIG_PASSPHRASE_FILE;
  if (named) return readPassphrase(named);
  try {
    return readPassphrase(ownFile);
  } catch {
    mkdirSync(dirname(ownFile), { recursive: true, mode: 0o700 });
    writeFileSync(ownFile, `${randomBytes(24).toString("base64url")}\n`, { mode: 0o600, flag: "wx" });
    return readPassphrase(ownFile);
  }
}

function readPassphrase(file: string): string {
  try {
    return readFileSync(file, "utf8").replace(/\r?\n$/, "");
  } catch (error) {
    throw new UserError(`the passphrase file ${file} cannot be read`, { why: (error as Error).message });
  }
}

function crypterOf(key: Buffer, salt: string): Crypter {
  return {
    salt,
    encrypt: (plaintext) => encryptWith(key, plaintext),
    decrypt: (ciphertext) => decryptWith(key, ciphertext),
  };
}

const derive = (passphrase: string, salt: Buffer) => pbkdf2Sync(passphrase, salt, rounds, keyBytes, "sha256");

function encryptWith(key: Buffer, plaintext: string): string {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  const sealed = Buffer.concat([cipher.update(plaintext, "utf8"), cipher.final(), cipher.getAuthTag()]);
  return `v1:${nonce.toString("base64")}:${sealed.toString("base64")}`;
}

function decryptWith(key: Buffer, ciphertext: string): string {
  const [version, nonce, sealed] = ciphertext.split(":");
  if (version !== "v1" || !nonce || !sealed) throw new Error("the ciphertext is not of version v1");
  const bytes = Buffer.from(sealed, "base64");
  const decipher = createDecipheriv("aes-256-gcm", key, Buffer.from(nonce, "base64"));
  decipher.setAuthTag(bytes.subarray(-tagBytes));
  return Buffer.concat([decipher.update(bytes.subarray(0, -tagBytes)), decipher.final()]).toString("utf8");
}
