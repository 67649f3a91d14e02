/** Failures of a layer, with what may help; see StoreError. */
import { StoreError } from "../store/errors.ts";

export class LayerError extends StoreError {
  override readonly name: string = "LayerError";
}

/** There is no layer in that directory. */
export class LayerAbsent extends LayerError {
  override readonly name = "LayerAbsent";
}

/** What was asked cannot be done with this layer, with which nothing is wrong. */
export class LayerRefusal extends LayerError {
  override readonly name: string = "LayerRefusal";
}

/** A daemon or a command has the layer to itself. */
export class LayerInUse extends LayerError {
  override readonly name = "LayerInUse";
}
