/** How well an estimator describes samples. */
import { ConfigError } from "../../base/errors.ts";
import { toHost } from "../../backends/tensors.ts";
import { readLoader, type VaeLoader } from "./batches.ts";
import type { VAE } from "./vae.ts";

/** How well samples are described. */
export interface VaeScore {
  /** The three terms, means over the samples, with a draw for each. */
  readonly loss: number;
  /** Reconstruction. */
  readonly recLoss: number;
  /** Divergence from the prior. */
  readonly klLoss: number;
  /** Mean squared error of the reconstructions from the means. */
  readonly mse: number;
  /** Divergence of each latent from the prior, mean over the samples, in nats. */
  readonly klPerLatent: readonly number[];
  /** How many there were. */
  readonly samples: number;
}

/**
 * Loss terms, squared error and the divergence of every latent.
 *
 * @param vae Whose.
 * @param loader Batches, or one array of all samples.
 * @throws {ConfigError} when there are no samples.
 */
export async function scoreSamples(vae: VAE, loader: VaeLoader): Promise<VaeScore> {
  const { latentDim } = vae;
  const sums = { loss: 0, rec_loss: 0, kl_loss: 0 };
  const kl = new Float64Array(latentDim);
  let [samples, squared, values, index] = [0, 0, 0, 0];
  for await (const { x } of (await readLoader(loader)).batches(0)) {
    const [size] = x.shape;
    const terms = vae.validationStep(x, index++);
    for (const name of ["loss", "rec_loss", "kl_loss"] as const) {
      sums[name] += size * (await toHost(terms[name]))[0];
      terms[name].dispose();
    }
    const { mu, logVar } = await vae.encode(x);
    mu.data.forEach((m, i) => {
      const l = logVar.data[i];
      kl[i % latentDim] += 0.5 * (Math.exp(l) + m * m - 1 - l);
    });
    const { data } = await vae.reconstruct(x);
    data.forEach((value, i) => squared += (value - x.data[i]) ** 2);
    samples += size;
    values += data.length;
  }
  if (samples === 0) {
    throw new ConfigError("loader", "Cannot score: the loader has no samples, needs some");
  }
  return {
    loss: sums.loss / samples,
    recLoss: sums.rec_loss / samples,
    klLoss: sums.kl_loss / samples,
    mse: squared / values,
    klPerLatent: [...kl].map((sum) => sum / samples),
    samples,
  };
}
