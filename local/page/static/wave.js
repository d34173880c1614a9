/** Draws the microphone's level over time. */

const BAR_PX = 3;
const STEP_PX = 5;
const ANNOUNCE_EVERY = 10;

/** Draws in a role="meter" element that contains a canvas. */
export class Wave {
  constructor(meter) {
    this.meter = meter;
    this.canvas = meter.querySelector("canvas");
    this.levels = [];
    this.count = 0;
  }

  clear() {
    this.levels = [];
  }

  /** Adds the next level, from 0 to 1. */
  add(level) {
    this.levels.push(level);
    if (this.count++ % ANNOUNCE_EVERY === 0) this.meter.setAttribute("aria-valuenow", String(Math.round(level * 100)));
    this.draw();
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const scale = devicePixelRatio;
    if (this.canvas.width !== Math.round(width * scale)) this.canvas.width = Math.round(width * scale);
    if (this.canvas.height !== Math.round(height * scale)) this.canvas.height = Math.round(height * scale);
    const pen = this.canvas.getContext("2d");
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.fillStyle = getComputedStyle(this.canvas).color;
    const fits = Math.floor(width / STEP_PX);
    this.levels = this.levels.slice(-fits);
    this.levels.forEach((level, index) => {
      const bar = Math.max(BAR_PX, level * height);
      const left = width - (this.levels.length - index) * STEP_PX;
      pen.beginPath();
      pen.roundRect(left, (height - bar) / 2, BAR_PX, bar, BAR_PX / 2);
      pen.fill();
    });
  }
}
