import { cleanPath, toBytePath } from "@varve/bytes";
import type { WorkdirVertex } from "@varve/plan";
import { isNumericOwner, readAccounts, requireNumericOwner, resolveOwner } from "../accounts.ts";
import { createDestination } from "../copy/destination.ts";
import type { LayerStack } from "../layer-stack.ts";
import type { StepScope } from "./execution.ts";
import type { LayerStep } from "./layer-step.ts";
import { MADE_TIME } from "./made-time.ts";

/** WORKDIR as a step: what is missing of the path is made, 0755, owned by the current user (fact 36). */
export function workdirStep(scope: StepScope, vertex: WorkdirVertex, parent: LayerStack): LayerStep {
  return {
    vertex,
    parent,
    outline: [{ name: "path", value: vertex.path }],
    components: () =>
      Promise.resolve([
        { name: "path", value: vertex.path },
        { name: "user", value: vertex.user },
      ]),
    async produce() {
      const { execution, io } = scope;
      if (parent.chainID === undefined) requireNumericOwner(vertex.user);
      const base = await execution.trees.tree(parent, io);
      const accounts = isNumericOwner(vertex.user) ? { users: [], groups: [] } : await readAccounts(base, execution.layerReader, io);
      const destination = createDestination(base);
      const path = destination.resolve(cleanPath(toBytePath(vertex.path)));
      destination.makeDirectories(path, { owner: vertex.user === "" ? undefined : resolveOwner(vertex.user, accounts), mode: 0o755, mtime: MADE_TIME });
      return { changes: destination.finish(), reader: execution.layerReader, base, [Symbol.asyncDispose]: () => Promise.resolve() };
    },
  };
}
