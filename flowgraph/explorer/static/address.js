/** The address of the page: its fragment holds the state, so that the address can be shared and kept. */

import { debounce } from "./dom.js";
import { decode, encode } from "./share.js";

const DELAY = 400;

export class Address {
  #written = "";
  #write = debounce((state) => this.#put(state), DELAY);

  /**
   * @param {function(Object): void} adopt takes a state that was found
   * @param {function(Object): void} fail takes what is wrong with a fragment
   * @param {AbortSignal} signal ends it
   */
  constructor(adopt, fail, signal) {
    this.fail = fail;
    window.addEventListener("hashchange", async () => {
      if (location.hash === this.#written) return;
      const state = await this.read();
      if (state) adopt(state);
    }, { signal });
  }

  /** The state in the address, or null where there is none, or none that can be read. */
  async read() {
    const { state, error } = await decode(location.hash);
    if (error) this.fail(error);
    return state;
  }

  /** Write a state into the address, in a moment. */
  write(state) {
    this.#write(state);
  }

  async #put(state) {
    this.latest = state;
    const fragment = await encode(state);
    if (state !== this.latest) return;
    this.#written = fragment;
    history.replaceState(history.state, "", fragment);
  }
}
