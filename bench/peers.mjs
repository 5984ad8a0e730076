// The builders that are compared: varve first, and those that are installed.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { dockerPeer } from "./docker-peer.mjs";
import { measure, together } from "./measure.mjs";
import { fresh, has } from "./surroundings.mjs";

export const VARVE = fileURLToPath(new URL("../packages/cli/bin/varve.js", import.meta.url));

/** `reset` empties a peer's storage (await it); `stop`, where there is one, ends what it started; `build` builds `folder` as `name`, with more arguments, and pushes it when `push` is set. */
export function findPeers(work) {
  const peers = [varvePeer(join(work, "varve"))];
  if (has("buildah"))
    peers.push(buildahPeer("buildah --layers", join(work, "buildah-layers"), ["--layers"]), buildahPeer("buildah", join(work, "buildah"), []));
  const docker = dockerPeer(join(work, "docker"));
  if (docker !== undefined) peers.push(docker);
  return peers;
}

function varvePeer(home) {
  const env = { ...process.env, VARVE_HOME: home };
  return {
    name: "varve",
    reset: () => fresh(home),
    build({ folder, name, args = [], push = false }) {
      const flags = push ? ["--push", "--insecure-registry", name.split("/")[0]] : [];
      return measure(process.execPath, [VARVE, "build", "-q", ...args, ...flags, "-t", name, folder], { env });
    },
  };
}

function buildahPeer(title, home, flags) {
  const storage = ["--root", join(home, "root"), "--runroot", join(home, "run"), "--storage-driver", "vfs"];
  const plain = "--tls-verify=false";
  return {
    name: title,
    reset: () => fresh(home),
    // without a push an OCI layout, which is what varve's store is: both end with compressed blobs on disk
    async build({ folder, name, args = [], push = false }) {
      const target = push ? `docker://${name}` : `oci:${join(home, "layout")}:bench`;
      const built = await measure("buildah", [...storage, "build", ...flags, "--jobs", "2", "--isolation", "chroot", plain, "-q", ...args, "-t", name, folder]);
      return together(built, await measure("buildah", [...storage, "push", "-q", plain, name, target]));
    },
  };
}
