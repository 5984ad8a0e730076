/** Resources of a build, freed together in the reverse of the order they came. (Node 20 has no AsyncDisposableStack.) */
export interface Resources extends AsyncDisposable {
  use<T extends AsyncDisposable>(resource: T): T;
}

/** Creates an empty {@link Resources}. Freeing goes on when one resource can't be freed; the first failure is thrown at the end. */
export function createResources(): Resources {
  const held: AsyncDisposable[] = [];
  return {
    use(resource) {
      held.push(resource);
      return resource;
    },
    async [Symbol.asyncDispose]() {
      let failure: { readonly error: unknown } | undefined;
      for (let resource = held.pop(); resource !== undefined; resource = held.pop()) {
        try {
          await resource[Symbol.asyncDispose]();
        } catch (error) {
          failure ??= { error };
        }
      }
      if (failure !== undefined) throw failure.error;
    },
  };
}
