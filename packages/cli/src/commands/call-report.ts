import type { OutlineResult, TargetsResult } from "@varve/build";
import { renderTable } from "../table.ts";
import { locationOf } from "./location.ts";

/** The tables of buildx's `--call outline`: the target, then what it takes. */
export function outlineText({ outline }: OutlineResult): string {
  const { name, description, args, secrets, ssh } = outline;
  const parts: string[] = [];
  if (name !== undefined) {
    const rows = [["TARGET:", name], ...(description === undefined ? [] : [["DESCRIPTION:", description]])];
    parts.push(renderTable(rows, 1));
  }
  if (args.length > 0)
    parts.push(renderTable([["BUILD ARG", "VALUE", "DESCRIPTION"], ...args.map((arg) => [arg.name, arg.value ?? "", arg.description ?? ""])]));
  if (secrets.length > 0) parts.push(mountTable("SECRET", secrets));
  if (ssh.length > 0) parts.push(mountTable("SSH", ssh));
  return parts.map((part) => `${part}\n`).join("");
}

function mountTable(title: string, mounts: OutlineResult["outline"]["secrets"]): string {
  return renderTable([[title, "REQUIRED"], ...mounts.map(({ name, required }) => [name, required ? "true" : ""])]);
}

/** BuildKit's result of the subrequest `frontend.outline`. */
export function outlineJson({ outline, text }: OutlineResult): string {
  const { name, description, args, secrets, ssh } = outline;
  const mounts = (list: typeof secrets): readonly object[] =>
    list.map((mount) => ({ name: mount.name, ...(mount.required ? { required: true } : {}), location: locationOf(mount.range) }));
  return printed({
    ...filled({ name, description }),
    ...(args.length === 0
      ? {}
      : { args: args.map((arg) => ({ name: arg.name, ...filled({ description: arg.description, value: arg.value }), location: locationOf(arg.range) })) }),
    ...(secrets.length === 0 ? {} : { secrets: mounts(secrets) }),
    ...(ssh.length === 0 ? {} : { ssh: mounts(ssh) }),
    sources: [encoded(text)],
  });
}

/** The table of buildx's `--call targets`. */
export function targetsText({ targets }: TargetsResult): string {
  const rows = targets.map(({ name, default: last, description }) => {
    const shown = name === undefined ? (last ? "(default)" : "") : `${name}${last ? " (default)" : ""}`;
    return [shown, description ?? ""];
  });
  return renderTable([["TARGET", "DESCRIPTION"], ...rows], 1);
}

/** BuildKit's result of the subrequest `frontend.targets`. */
export function targetsJson({ targets, text }: TargetsResult): string {
  return printed({
    targets: targets.map(({ name, default: last, description, base, platform, range }) => ({
      ...filled({ name }),
      ...(last ? { default: true } : {}),
      ...filled({ description, base, platform }),
      location: locationOf(range),
    })),
    sources: [encoded(text)],
  });
}

/** Go leaves empty texts out. */
function filled(members: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(members).filter((member): member is [string, string] => member[1] !== undefined && member[1] !== ""));
}

function encoded(text: string): string {
  return Buffer.from(text).toString("base64");
}

function printed(value: object): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
