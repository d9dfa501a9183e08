"use strict";
// A picture with what was found in it, drawn as `tfod predict` draws it.

function readableOn(hex) {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const value = parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  const luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  return 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05 ? "#fff" : "#000";
}

function drawBoxes(canvas, picture, kept, color) {
  canvas.width = picture.width;
  canvas.height = picture.height;
  const pen = canvas.getContext("2d");
  pen.drawImage(picture, 0, 0);
  const side = Math.sqrt(picture.width * picture.height);
  const line = Math.max(2, Math.round(0.0038 * side));
  const size = Math.max(10, Math.round(0.021 * side));
  pen.font = `bold ${size}px system-ui, sans-serif`;
  pen.textBaseline = "top";
  for (const found of [...kept].reverse()) {
    const [top, left, bottom, right] = found.box;
    const x = left * picture.width, y = top * picture.height;
    const width = (right - left) * picture.width, height = (bottom - top) * picture.height;
    pen.strokeStyle = color(found);
    pen.lineWidth = line;
    pen.strokeRect(x + line / 2, y + line / 2, Math.max(1, width - line), Math.max(1, height - line));
    const text = `${found.class} ${Math.round(found.score * 100)}%`;
    const wide = pen.measureText(text).width + size * 0.6, high = size * 1.25;
    const place = y >= high ? y - high : Math.min(y + height, picture.height - high);
    const begin = Math.max(0, Math.min(x, picture.width - wide));
    pen.fillStyle = color(found);
    pen.fillRect(begin, Math.max(0, place), wide, high);
    pen.fillStyle = readableOn(color(found));
    pen.fillText(text, begin + size * 0.3, Math.max(0, place) + size * 0.15);
  }
}
