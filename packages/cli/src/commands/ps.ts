import { type Container, type ContainerState, openContainers } from "@varve/build";
import { EXIT } from "../exit-code.ts";
import { shownName, withStore } from "../local-image.ts";
import { formatAge } from "../options/quantities.ts";
import type { Session } from "../session.ts";
import { renderTable } from "../table.ts";

/** `varve ps`: containers whose command runs; with `--all` also those whose command has ended. */
export async function psCommand(session: Session, flags: { readonly all?: boolean; readonly quiet?: boolean; readonly json?: boolean }): Promise<number> {
  const found = await withStore(session, async (store) => {
    const containers = await openContainers(store);
    const all = await Promise.all((await containers.list()).map(async (container) => ({ ...container, state: await containers.state(container) })));
    return flags.all === true ? all : all.filter(({ state }) => state === "running");
  });
  if (flags.json === true) session.print(`${JSON.stringify(found, undefined, 2)}\n`);
  else if (flags.quiet === true) session.print(found.map(({ id }) => `${id.slice(0, 12)}\n`).join(""));
  else {
    const now = Date.now();
    const rows = found.map((container) => [
      container.id.slice(0, 12),
      shownName(container.image),
      shownCommand(container.command),
      formatAge(Date.parse(container.created), now),
      status(container, container.state, now),
      container.name,
    ]);
    session.print(renderTable([["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "NAMES"], ...rows]));
  }
  return EXIT.ok;
}

const COMMAND_WIDTH = 20;

function shownCommand(command: readonly string[]): string {
  const text = command.join(" ").replaceAll(/\s+/g, " ");
  return `"${text.length > COMMAND_WIDTH ? `${text.slice(0, COMMAND_WIDTH - 1)}…` : text}"`;
}

function status({ created, end }: Container, state: ContainerState, now: number): string {
  if (end !== undefined) return `Exited (${end.exitCode}) ${formatAge(Date.parse(end.at), now)}`;
  return state === "running" ? `Up ${formatAge(Date.parse(created), now).replace(/ ago$/, "")}` : "Dead";
}
