/** A model's layers as a table for people. */
import type { VAE } from "../../models/vae/vae.ts";
import { type Network, parameterCount } from "../../networks/network.ts";

/**
 * Layer, shape and parameters, a line each.
 *
 * @param model Any.
 */
export function networkTable(model: VAE): string[] {
  const heads = ["fc_mu", "fc_logvar"].map((name) => ({
    name: `${name}: linear`,
    shape: [model.latentDim],
    parameters: (model.encoderOutDim + 1) * model.latentDim,
  }));
  const rows = [
    ...layersOf("encoder", model.encoder),
    ...heads,
    ...layersOf("decoder", model.decoder as Network),
  ].map(({ name, shape, parameters }) => [name, shape.join("×"), String(parameters)]);
  const total = [...model.variables.values()].reduce((sum, { size }) => sum + size, 0);
  const all = [["layer", "shape", "parameters"], ...rows, ["all", "", String(total)]];
  const widths = [0, 1, 2].map((c) => Math.max(...all.map((row) => row[c].length)));
  return all.map(([name, shape, count]) =>
    `${name.padEnd(widths[0])}  ${shape.padStart(widths[1])}  ${count.padStart(widths[2])}`
  );
}

function layersOf(part: string, network: Network) {
  const layers = network.layers ??
    [{ name: "own", shape: [], parameters: parameterCount(network) }];
  return layers.map((layer) => ({ ...layer, name: `${part}.${layer.name}` }));
}
