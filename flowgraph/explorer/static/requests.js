/**
 * The order of requests. Actions go one after the other, each from the state the one before it left; previews keep at
 * most one request in flight, and of those that wait only the newest is sent.
 */

/** Of these only the newest of several that wait is worth sending. */
const REPLACEABLE = new Set(["edit", "select", "go", "tab", "hide"]);

/**
 * @typedef {Object} Hooks
 * @property {function(): Object} state the state to act on
 * @property {function(): ?string} have the key of the program at hand
 * @property {function(Object, ?Object): void} accept takes the reply to an action
 * @property {function(Object, ?Object): void} fail takes the error that a step was answered with
 * @property {function(number): void} busy hears how many requests run
 * @property {function(Object): void} progress hears of long ones
 */

export class Requests {
  #connection;
  #hooks;
  #seq = 0;
  #shown = 0;
  #running = 0;
  #waiting = [];
  #acting = false;
  #previewing = false;
  #wanted = null;
  #generation = 0;

  /**
   * @param {{request: function(Object, function(Object): void): Promise<Object>}} connection
   * @param {Hooks} hooks
   */
  constructor(connection, hooks) {
    this.#connection = connection;
    this.#hooks = hooks;
  }

  /** Whether an action is under way or waits. */
  get acting() {
    return this.#acting || this.#waiting.length > 0;
  }

  /**
   * Any request but a step. A connection that fails gives an error like any other.
   * @returns {Promise<Object>} the reply, which may hold `error`
   */
  async ask(kind, fields, onProgress) {
    const seq = ++this.#seq;
    this.#hooks.busy(++this.#running);
    try {
      const reply = await this.#connection.request({ kind, seq, ...fields }, (progress) => {
        onProgress?.(progress);
        this.#hooks.progress(progress);
      });
      return reply ?? failure(seq, "the answer was empty");
    } catch (error) {
      return failure(seq, String(error?.message ?? error));
    } finally {
      this.#hooks.busy(--this.#running);
    }
  }

  /**
   * Do something to the state, after all that was asked before.
   * @param {?Object} action
   * @param {Object} [from] a state to begin with instead of the one at hand
   * @returns {Promise<Object>} the reply, after it was accepted
   */
  act(action, from) {
    this.cancelPreview();
    return new Promise((resolve) => {
      const last = this.#waiting.at(-1);
      if (last && action && last.action?.do === action.do && REPLACEABLE.has(action.do)) {
        last.action = action;
        last.done.push(resolve);
      } else {
        this.#waiting.push({ action, from, done: [resolve] });
      }
      this.#pump();
    });
  }

  async #pump() {
    if (this.#acting || this.#waiting.length === 0) return;
    this.#acting = true;
    const { action, from, done } = this.#waiting.shift();
    const reply = await this.#step(action, from);
    this.#acting = false;
    if (reply.error) this.#hooks.fail(reply.error, action);
    else this.keep(reply, action);
    for (const resolve of done) resolve(reply);
    this.#pump();
    this.#pumpPreview();
  }

  #step(action, from) {
    return this.ask("step", { state: from ?? this.#hooks.state(), action, have: this.#hooks.have() });
  }

  /** Make a reply the truth, unless a newer one is. */
  keep(reply, action) {
    if (!this.isNewest(reply)) return;
    this.#shown = reply.seq;
    this.#hooks.accept(reply, action);
  }

  /** Whether nothing newer was shown. */
  isNewest(reply) {
    return reply.seq >= this.#shown;
  }

  /**
   * What an action would lead to.
   * @returns {Promise<?Object>} the reply; null where a newer preview or an action took its place
   */
  preview(action) {
    this.#wanted?.resolve(null);
    return new Promise((resolve) => {
      this.#wanted = { action, resolve, generation: this.#generation };
      this.#pumpPreview();
    });
  }

  async #pumpPreview() {
    if (this.#previewing || this.acting || !this.#wanted) return;
    const { action, resolve, generation } = this.#wanted;
    this.#wanted = null;
    this.#previewing = true;
    const reply = await this.#step(action);
    this.#previewing = false;
    const current = generation === this.#generation && !reply.error && this.isNewest(reply);
    if (current) this.#shown = reply.seq;
    resolve(current ? reply : null);
    this.#pumpPreview();
  }

  /** Replies to previews that were asked for before count no more. */
  cancelPreview() {
    this.#generation++;
    this.#wanted?.resolve(null);
    this.#wanted = null;
  }
}

function failure(seq, reason) {
  return {
    seq,
    error: {
      error: "ConnectionError", message: "Python does not answer", where: null, got: reason, expected: null,
      remedy: "see whether it still runs, then try again: nothing you typed is lost", line: null, column: null,
    },
  };
}
