import type { BuildEvent } from "@varve/build";
import { findRule } from "@varve/dockerfile";
import { visibleText } from "@varve/errors";

/** A warning of BuildKit's checks. */
export type Warning = Extract<BuildEvent, { readonly type: "warning" }>;

/** `Rule: message (line 3)`, as BuildKit words it. What a terminal would obey is written out. */
export function shortWarning({ rule, message, range }: Warning): string {
  return `${rule}: ${visibleText(message)}${range === undefined ? "" : ` (line ${range.start.line})`}`;
}

/** What buildx says of a build's warnings at its end; `expanded` adds what each rule is about. Empty without warnings. */
export function warningList(warnings: readonly Warning[], options: { readonly expanded: boolean; readonly paint?: (text: string) => string }): string {
  if (warnings.length === 0) return "";
  const { expanded, paint = (text) => text } = options;
  const head = `${warnings.length} warning${warnings.length === 1 ? "" : "s"} found${expanded ? "" : " (use varve build --debug to expand)"}:`;
  const lines = warnings.flatMap((warning) => {
    const { description, url } = findRule(warning.rule) ?? {};
    const more = expanded ? [...(description === undefined ? [] : [description]), ...(url === undefined ? [] : [`More info: ${url}`]), ""] : [];
    return [` - ${shortWarning(warning)}`, ...more];
  });
  return `\n ${paint(head)}\n${lines.join("\n")}\n`;
}
