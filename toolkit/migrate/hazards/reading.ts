/** What a statement is about, as far as its text tells. */
export interface Reading {
  /** The statement without comments, and with its strings emptied, in one line. */
  code: string;
  /** Relations that were there before and that it works on, the main one first. */
  relations: string[];
  /** Relations whose rows it reads to copy them. */
  sources: string[];
  creates: string[];
  renames: { from: string; to: string } | undefined;
}

const identifier = String.raw`(?:"(?:[^"]|"")+"|[a-z_\u0080-\uffff][\w$\u0080-\uffff]*)`;
const name = String.raw`(${identifier}(?:\s*\.\s*${identifier})?)`;
const ifExists = String.raw`(?:if\s+(?:not\s+)?exists\s+)?(?:only\s+)?`;

const pattern = (text: string) => new RegExp(text.replaceAll(" ", String.raw`\s+`), "i");

/** Each form of statement, with the relation that it works on as its group. */
const worksOn: RegExp[] = [
  pattern(`^create (?:unique )?index (?:concurrently )?${ifExists}(?:(?!on )${identifier} )?on (?:only )?${name}`),
  pattern(`^alter (?:foreign )?table ${ifExists}${name}`),
  pattern(`^alter (?:materialized view|index) ${ifExists}${name}`),
  pattern(`^drop index (?:concurrently )?${ifExists}${name}`),
  pattern(String.raw`^reindex (?:\([^)]*\)\s*)?(?:table|index) (?:concurrently )?${name}`),
  pattern(`^refresh materialized view (?:concurrently )?${name}`),
  pattern(`^update (?:only )?${name}`),
  pattern(`^delete from (?:only )?${name}`),
  pattern(`^insert into ${name}`),
  pattern(`^truncate (?:table )?(?:only )?${name}`),
  pattern(String.raw`^cluster (?:verbose )?(?:\([^)]*\)\s*)?${name}`),
  pattern(String.raw`^vacuum (?:\([^)]*full[^)]*\)\s*|full (?:freeze )?(?:verbose )?(?:analyze )?)${name}`),
  pattern(`^lock (?:table )?(?:only )?${name}`),
  pattern(`^create (?:or replace )?(?:constraint )?trigger ${identifier} .*? on ${name}`),
  pattern(`^comment on table ${name}`),
];

/** Relations that a clause names beside the one that the statement is about. */
const alsoWorksOn: RegExp[] = [
  pattern(`\\breferences ${name}`),
  pattern(`\\b(?:attach|detach) partition ${name}`),
  pattern(`\\bpartition of ${name}`),
];

const creates = pattern(
  `^create (?:(?:global |local )?(?:temp|temporary|unlogged) )?(?:table|(?:recursive )?view|materialized view|foreign table) ${ifExists}${name}`,
);
const drops = pattern(`^drop (?:foreign )?(?:table|materialized view) ${ifExists}(.*?)(?: cascade| restrict)?$`);
const renames = pattern(`^alter (?:table|materialized view) ${ifExists}${name} rename to ${name}`);
// A view copies nothing; one that is materialized does.
const copies = pattern(
  `^(?:insert into .*?|create (?:(?:global |local )?(?:temp|temporary|unlogged) )?(?:table|materialized view) .*?\\bas )\\b(?:select|table)\\b`,
);

/** Reads a statement. What a function does it does not find; of what a DO block runs see parts.ts. */
export function read(statement: string): Reading {
  const code = codeOf(statement);
  const found = [
    ...worksOn.flatMap((form) => form.exec(code)?.[1] ?? []),
    ...(drops.exec(code)?.[1]?.split(",") ?? []),
    ...alsoWorksOn.flatMap((clause) => [...code.matchAll(new RegExp(clause, "gi"))].map((match) => match[1]!)),
  ];
  const renamed = renames.exec(code);
  return {
    code,
    relations: unique(found),
    sources: copies.test(code)
      ? unique(
          [...code.matchAll(new RegExp(pattern(`\\b(?:from|join|as table) (?:only )?${name}(?! ?\\()`), "gi"))].map(
            (m) => m[1]!,
          ),
        )
      : [],
    creates: unique(creates.exec(code)?.slice(1, 2) ?? []),
    renames: renamed ? { from: canonical(renamed[1]!), to: canonical(renamed[2]!) } : undefined,
  };
}

/** A name as the catalog knows it: lower case where it is not quoted, without the schema public. */
export function canonical(written: string): string {
  const parts = written.match(new RegExp(identifier, "gi")) ?? [];
  const plain = parts.map((part) => {
    const inner = part.startsWith('"') ? part.slice(1, -1) : part.toLowerCase();
    return /^[a-z_][a-z0-9_$]*$/.test(inner) ? inner : `"${inner}"`;
  });
  return (plain[0] === "public" && plain.length > 1 ? plain.slice(1) : plain).join(".");
}

function unique(written: readonly string[]): string[] {
  return [...new Set(written.map((one) => canonical(one.trim())))];
}

const notCode =
  /--[^\n]*|\/\*[\s\S]*?\*\/|(?<![\w$])\$([A-Za-z_]\w*)?\$[\s\S]*?\$\1\$|[eE]'(?:\\[\s\S]|''|[^'\\])*'|'(?:''|[^'])*'/g;

function codeOf(statement: string): string {
  const code = statement.replace(notCode, (part) => (/^(--|\/\*)/.test(part) ? " " : "''"));
  return code.replace(/\s+/g, " ").trim();
}
