/** Whether the long tests run whole (`deno task test:nightly`) or only a sample of them. */
export const NIGHTLY = Deno.env.get("RECVAE_NIGHTLY") === "1";
