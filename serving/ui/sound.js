// Sounds from a microphone or a file, as the service reads them.

import { mistake } from "./errors.js";

const RATE = 16_000; // samples a second; the service hears no more
const READ = /^audio\/(x-)?(wav|wave|vnd\.wave|pn-wav|flac|ogg|mpeg|mp3)$/;
const NAMES = /\.(wav|flac|ogg|oga|mp3)$/i;

/** Why this browser cannot record, or null. */
export function noMicrophone() {
  if (!window.isSecureContext) {
    return "Recording works only over https or on this machine; choose a sound file instead.";
  }
  if (!navigator.mediaDevices?.getUserMedia || !window.MediaRecorder) {
    return "This browser cannot record; choose a sound file instead.";
  }
  return null;
}

/** Begin to record; `stop` of the result gives a WAV file. */
export async function record(seconds) {
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  } catch (error) {
    throw error.name === "NotAllowedError"
      ? mistake("The browser is not allowed to use the microphone.",
        "Allow it in the browser's settings for this page, or choose a sound file.")
      : mistake("No working microphone was found.", "Plug one in, or choose a sound file.");
  }
  const recorder = new MediaRecorder(stream);
  const parts = [];
  recorder.addEventListener("dataavailable", (event) => parts.push(event.data));
  const ended = new Promise((done) => recorder.addEventListener("stop", done, { once: true }));
  recorder.start();
  return {
    async stop() {
      if (recorder.state !== "inactive") recorder.stop();
      await ended;
      for (const track of stream.getTracks()) track.stop();
      return toWav(new Blob(parts, { type: recorder.mimeType }), seconds);
    },
  };
}

/** A file as it is if the service reads its format, else as WAV. */
export async function readable(file, seconds) {
  return READ.test(file.type) || NAMES.test(file.name ?? "") ? file : toWav(file, seconds);
}

async function toWav(blob, seconds) {
  const context = new AudioContext();
  let heard;
  try {
    heard = await context.decodeAudioData(await blob.arrayBuffer());
  } catch {
    throw mistake("This browser cannot read the sound.", "Use a WAV, FLAC, OGG or MP3 file.");
  } finally {
    await context.close();
  }
  const frames = Math.max(1, Math.min(Math.floor(heard.duration * RATE), seconds * RATE));
  const offline = new OfflineAudioContext(1, frames, RATE);
  const source = offline.createBufferSource();
  source.buffer = heard;
  source.connect(offline.destination);
  source.start();
  return encoded((await offline.startRendering()).getChannelData(0));
}

/** 16-bit WAV of samples from -1 to 1. */
function encoded(samples) {
  const view = new DataView(new ArrayBuffer(44 + samples.length * 2));
  const text = (at, words) => [...words].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + samples.length * 2, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true); // PCM
  view.setUint16(22, 1, true); // one channel
  view.setUint32(24, RATE, true);
  view.setUint32(28, RATE * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, samples.length * 2, true);
  samples.forEach((s, i) => view.setInt16(44 + i * 2, Math.max(-1, Math.min(1, s)) * 32767, true));
  return new File([view], "recording.wav", { type: "audio/wav" });
}
