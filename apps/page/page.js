// The page itself: model and runtime out of it, photos and camera into it.
const config = JSON.parse(document.getElementById("config").textContent);
const element = (id) => document.getElementById(id);
const SHOWN = 5;
// A screen reader is told a new answer of the camera at most so often.
const PAUSE = 1500;
let session, ort, stream;

function complain(text) {
  element("problem").textContent = text;
  element("problem").hidden = !text;
}

/** Takes bytes out of the page, where they are base64 of gzip. */
async function unpack(id) {
  const text = element(id).textContent;
  const bytes = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
  element(id).remove();
  const unzipped = new Blob([bytes]).stream().pipeThrough(
    new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(unzipped).arrayBuffer());
}

async function start() {
  if (typeof WebAssembly !== "object") {
    throw new Error(
      "WebAssembly is off in this browser, and the model needs it. Allow it " +
        "(in Safari, Lockdown Mode turns it off; in Edge, the enhanced " +
        "security mode), or open the page in another browser.");
  }
  if (typeof DecompressionStream !== "function") {
    throw new Error(
      "This browser is too old for the page. Use Chrome or Edge 80, Firefox " +
        "113, Safari 16.4 or newer.");
  }
  const script = URL.createObjectURL(
    new Blob([await unpack("runtime")], { type: "text/javascript" }));
  ort = await import(script);
  URL.revokeObjectURL(script);
  ort.env.logLevel = "error";
  // More threads would take a server with headers of its own.
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = await unpack("wasm");
  session = await ort.InferenceSession.create(
    await unpack("model"), { executionProviders: ["wasm"] });
}

/** One score a class, as kerastl's class_scores gives them. */
function classScores(outputs) {
  if (outputs.length !== 1) return [...outputs];
  let [yes] = outputs;
  if (config.kind === "logits") yes = 1 / (1 + Math.exp(-yes));
  return [1 - yes, yes];
}

/** Classifies a photo; the result holds the square that was looked at. */
async function classify(photo, flips) {
  const begun = performance.now();
  const square = toSquare(photo, config.side + config.margin, flips);
  const input = toInput(square, config.side, config.margin);
  const images = new Float32Array(config.batch * input.length);
  images.set(input);
  const shape = [config.batch, config.side, config.side, 3];
  const prepared = performance.now();
  const outputs = await session.run(
    { [config.input]: new ort.Tensor("float32", images, shape) });
  const ended = performance.now();
  const values = outputs[config.output].data;
  const scores = classScores(values.subarray(0, config.outputs));
  const order = scores.map((_, index) => index);
  order.sort((a, b) => scores[b] - scores[a] || a - b);
  return {
    square,
    classes: order.slice(0, SHOWN).map(
      (index) => ({ name: config.labels[index], score: scores[index] })),
    network: ended - prepared,
    all: ended - begun,
  };
}

const percent = (score) => `${(100 * score).toFixed(1)} %`;

function paint(canvas, { square, classes }) {
  canvas.width = square.width;
  canvas.height = square.height;
  canvas.getContext("2d").putImageData(
    new ImageData(square.data, square.width, square.height), 0, 0);
  canvas.setAttribute("aria-label", `Photo of ${classes[0].name}`);
}

function span(text) {
  const made = document.createElement("span");
  made.textContent = text;
  return made;
}

function show(result) {
  const items = result.classes.map(({ name, score }) => {
    const item = document.createElement("li");
    item.style.setProperty("--share", `${100 * score}%`);
    item.dataset.score = score;
    item.append(span(name), span(percent(score)));
    return item;
  });
  element("classes").replaceChildren(...items);
  element("time").textContent =
    `${result.network.toFixed(0)} ms for the network, ` +
    `${result.all.toFixed(0)} ms with preparing the picture`;
}

function announce({ classes: [best] }) {
  element("answer").textContent = `${best.name}, ${percent(best.score)}`;
}

function addToGallery(name, result) {
  const figure = document.createElement("figure");
  const canvas = document.createElement("canvas");
  paint(canvas, result);
  const caption = document.createElement("figcaption");
  const [best] = result.classes;
  caption.append(
    `${best.name} ${percent(best.score)}`, document.createElement("br"),
    span(name));
  figure.append(canvas, caption);
  element("photos").prepend(figure);
  element("gallery").hidden = element("photos").children.length < 2;
}

async function takeFiles(files) {
  stopCamera();
  const problems = [];
  complain("");
  for (const file of files) {
    element("answer").textContent = `Looking at ${file.name} …`;
    try {
      const { photo, flips, close } = await openPhoto(file);
      const result = await classify(photo, flips);
      close();
      paint(element("seen"), result);
      show(result);
      announce(result);
      addToGallery(file.name, result);
    } catch (error) {
      problems.push(`${file.name} ${error.message}`);
      element("answer").textContent = "No answer for this photo";
    }
  }
  complain(problems.join("\n"));
}

function stopCamera() {
  stream?.getTracks().forEach((track) => track.stop());
  stream = undefined;
  element("video").hidden = true;
  element("seen").hidden = false;
  element("camera").textContent = "Use the camera";
}

const CAMERA = {
  NotAllowedError:
    "The camera was denied. Allow it for this page, by the sign beside the " +
    "address, and press the button again; or choose photos.",
  NotFoundError: "There is no camera. Connect one, or choose photos.",
  NotReadableError:
    "The camera is in use by another program. Close that, or choose photos.",
};

function cameraProblem(error) {
  let text = CAMERA[error.name] ??
    `The camera could not be opened (${error.message}). Choose photos.`;
  if (location.protocol === "file:") {
    text += " Some browsers give no camera to a page opened from a file: " +
      "kerastl page MODEL --serve opens it on localhost, where they do.";
  }
  return text;
}

async function startCamera() {
  complain("");
  if (!navigator.mediaDevices?.getUserMedia) {
    complain(
      "Browsers open the camera for pages on https or localhost alone. On " +
        "this machine kerastl page MODEL --serve gives such an address; on " +
        "a phone choose photos, which offers to take one.");
    return;
  }
  try {
    stream = await navigator.mediaDevices.getUserMedia(
      { video: { facingMode: { ideal: "environment" } } });
  } catch (error) {
    complain(cameraProblem(error));
    return;
  }
  const video = element("video");
  video.srcObject = stream;
  video.hidden = false;
  element("seen").hidden = true;
  element("camera").textContent = "Stop the camera";
  const own = stream;
  own.getTracks()[0].addEventListener("ended", () => {
    if (own === stream) stopCamera();
    complain("The camera has ended. Press the button again.");
  });
  await video.play();
  await look(video, own);
}

async function look(video, own) {
  let said = "", when = -PAUSE;
  while (own === stream) {
    const bitmap = await createImageBitmap(video);
    const photo = onCanvas(bitmap, bitmap.width, bitmap.height);
    const result = await classify(photo, null);
    bitmap.close();
    if (own !== stream) return;
    paint(element("seen"), result);
    show(result);
    const [best] = result.classes;
    if (best.name !== said && performance.now() - when > PAUSE) {
      said = best.name;
      when = performance.now();
      element("answer").textContent = said;
    }
    // Lets the browser draw, and waits while the page is not to be seen.
    await new Promise(requestAnimationFrame);
  }
}

function listen() {
  element("camera").addEventListener("click", () => {
    if (stream) stopCamera();
    else startCamera().catch((error) => complain(cameraProblem(error)));
  });
  element("files").addEventListener("change", async ({ target }) => {
    await takeFiles([...target.files]);
    target.value = "";
  });
  const mark = (on) => document.body.classList.toggle("dropping", on);
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    mark(true);
  });
  document.addEventListener("dragleave", () => mark(false));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    mark(false);
    if (session) takeFiles([...event.dataTransfer.files]);
  });
}

start().then(
  () => {
    listen();
    element("camera").disabled = element("files").disabled = false;
    element("unnamed").hidden = config.named;
    element("answer").textContent = "Ready";
  },
  (error) => {
    element("answer").textContent = "Not ready";
    complain(error.message);
  });
