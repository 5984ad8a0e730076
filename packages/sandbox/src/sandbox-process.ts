import type { BytePath } from "@varve/bytes";
import type { ResourceLimit } from "./resource-limit.ts";

/** Something seen at a place of the root. */
export type SandboxMount = MountPlace &
  (
    | {
        readonly kind: "bind";
        /** On the host. */
        readonly source: BytePath;
        readonly readonly: boolean;
      }
    | { readonly kind: "tmpfs"; /** Bytes. */ readonly size?: number }
  );

/** Where a mount goes. No symlink is in `target`. */
export interface MountPlace {
  readonly target: BytePath;
  readonly type: "directory" | "file";
  /**
   * 0 when the target exists. Else how many of its last components are below another mount of this step, made there when missing. Others
   * may write there at the same time: each component is opened without following a symlink.
   */
  readonly make: number;
}

/** One process in a root filesystem: data that travels to the helper process. */
export interface SandboxProcess {
  /** Absolute host path (bytes) of the root directory, in the helper's mount namespace. */
  readonly root: BytePath;
  /** `dev`, `proc` and `sys` exist there as directories. */
  readonly args: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: { readonly uid: number; readonly gid: number; readonly groups: readonly number[] };
  readonly network: "host" | "none";
  /** All capabilities, nothing masked. */
  readonly insecure: boolean;
  readonly hostname: string;
  /** Bytes of /dev/shm. */
  readonly shmSize: number;
  readonly ulimits: readonly ResourceLimit[];
  /** Its standard streams are a terminal, which becomes that of a session of its own. */
  readonly terminal: boolean;
  /** Outer targets before inner ones. */
  readonly mounts: readonly SandboxMount[];
}
