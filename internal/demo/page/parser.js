// Parser reads an event stream as the WHATWG specifies it. It is given text as
// it arrives, cut anywhere, and calls back once for each block.
export class Parser {
  #onBlock;
  #rest = "";
  #data = null; // lines, of the block that is being read
  #id = null;
  #retry = null;

  // onBlock({id, data, retry}): each null if the block has none.
  constructor(onBlock) {
    this.#onBlock = onBlock;
  }

  push(text) {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop();
    for (const line of lines) this.#line(line.endsWith("\r") ? line.slice(0, -1) : line);
  }

  #line(line) {
    if (line === "") {
      this.#end();
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return; // a comment
    const name = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (name === "data") (this.#data ??= []).push(value);
    else if (name === "id" && !value.includes("\0")) this.#id = value;
    else if (name === "retry" && /^[0-9]+$/.test(value)) this.#retry = Number(value);
  }

  // What the end of the stream cuts is no block, so that its id is not taken for
  // one that was seen.
  #end() {
    const block = { id: this.#id, data: this.#data?.join("\n") ?? null, retry: this.#retry };
    this.#data = this.#id = this.#retry = null;
    if (block.id !== null || block.data !== null || block.retry !== null) this.#onBlock(block);
  }
}
