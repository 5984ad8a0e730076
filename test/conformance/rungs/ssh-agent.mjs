import { execFileSync, spawn } from "node:child_process";
import { join } from "node:path";

/** Starts an agent of OpenSSH, as whoever asks, with one key whose comment is `varve`; its socket is in `folder`. */
export function startAgent(folder) {
  const socket = join(folder, "agent");
  const agent = spawn("ssh-agent", ["-D", "-a", socket], { stdio: "ignore" });
  const key = join(folder, "key");
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "varve", "-f", key]);
  execFileSync("sh", ["-c", `until test -S "$0"; do sleep 0.1; done`, socket], { timeout: 20_000 });
  execFileSync("ssh-add", ["-q", key], { env: { ...process.env, SSH_AUTH_SOCK: socket } });
  return { socket, end: () => agent.kill() };
}
