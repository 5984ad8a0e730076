/** An agent that runs. */
export interface SshAgent {
  /** Path of its socket. */
  readonly socket: string;
  end(): void;
}

/** Starts an agent of OpenSSH, as whoever asks, with one key whose comment is `varve`; its socket is in `folder`. */
export function startAgent(folder: string): SshAgent;
