import type { SourceRange } from "@varve/errors";
import type { Warning } from "./ast.ts";
import { afterShebang, findDirective, isForeignFrontend } from "./directive.ts";
import type { Source } from "./syntax-error.ts";

/** A frontend that a text asks for in a form no Dockerfile has. */
export interface OtherLanguage {
  readonly frontend: string;
  readonly range: SourceRange;
}

/** A warning where `# syntax=` names another frontend than docker/dockerfile: the text may be a Dockerfile all the same. */
export function remoteFrontend({ lines }: Source): Warning | undefined {
  const found = findDirective(lines.text, "syntax");
  if (found === undefined || !isForeignFrontend(found.value)) return undefined;
  const range = lines.range(found.start, found.end);
  return { rule: "RemoteFrontend", message: `Frontend ${found.value} is not fetched, the file is read as a Dockerfile`, range };
}

/** The foreign frontend named by `//syntax=…` or by `"syntax"` in a text that is JSON: BuildKit hands such a text to it. */
export function otherLanguage({ lines }: Source): OtherLanguage | undefined {
  const { text } = lines;
  const start = afterShebang(text);
  const found = findDirective(text, "syntax", "//");
  const frontend = found?.value ?? (/\s*\{/y.test(text.slice(start, start + 100)) ? syntaxMember(text.slice(start)) : undefined);
  if (frontend === undefined || !isForeignFrontend(frontend)) return undefined;
  return { frontend, range: found === undefined ? lines.range(start, start + 1) : lines.range(found.start, found.end) };
}

function syntaxMember(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const syntax = typeof value === "object" && value !== null && "syntax" in value ? value.syntax : undefined;
    return typeof syntax === "string" ? syntax : undefined;
  } catch {
    return undefined;
  }
}
