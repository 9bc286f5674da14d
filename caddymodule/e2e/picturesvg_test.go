package e2e

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"
	"unicode/utf8"
)

// palette holds the colors of a recording.
type palette struct{ ground, bar, edge, text, dim, command, bad, good, slow string }

// palettes are named like the color schemes that they are for. Each text color has a
// contrast of at least 4.5 to the background.
var palettes = map[string]palette{
	"dark": {
		ground: "#0d1117", bar: "#161b22", edge: "#30363d", text: "#c9d1d9", dim: "#8b949e",
		command: "#f0f6fc", bad: "#ff7b72", good: "#56d364", slow: "#e3b341",
	},
	"light": {
		ground: "#ffffff", bar: "#f6f8fa", edge: "#d0d7de", text: "#24292f", dim: "#57606a",
		command: "#0b1320", bad: "#b42318", good: "#116329", slow: "#7d4e00",
	},
}

// The layout of a recording in pixels, and its pace in seconds.
const (
	lineHeight, advance, barHeight, margin = 18, 7.8, 30, 18

	beforeTyping = 0.4
	perCharacter = 0.014
	beforeOutput = 0.2
	toRead       = 0.9 // after each scene
	atTheEnd     = 1.5
)

// colored matches the words that highlight a line of output.
var colored = []struct {
	prefix string
	of     func(palette) string
}{
	{"HTTP/1.1 551", func(p palette) string { return p.bad }},
	{"X-Fault-Injected", func(p palette) string { return p.bad }},
	{"{", func(p palette) string { return p.bad }},
	{"0.25", func(p palette) string { return p.slow }},
	{"slow", func(p palette) string { return p.slow }},
	{"Halted", func(p palette) string { return p.good }},
	{"hello", func(p palette) string { return p.good }},
	{"POINT", func(p palette) string { return p.dim }},
	{"EXPERIMENT", func(p palette) string { return p.dim }},
}

func (p palette) of(line string) string {
	for _, c := range colored {
		if strings.HasPrefix(line, c.prefix) {
			return c.of(p)
		}
	}
	return p.text
}

// drawRecording draws the scenes as an SVG file that plays them in a loop. A viewer
// that cannot play shows all scenes. So does a viewer whose user prefers reduced
// motion.
func drawRecording(scenes []scene, colors palette) []byte {
	d := &recording{colors: colors, y: barHeight + lineHeight}
	for _, s := range scenes {
		d.scene(s)
	}
	d.clock += atTheEnd
	return d.file(scenes)
}

// recording is a drawing in progress.
type recording struct {
	colors  palette
	clock   float64 // seconds since the start
	y       int     // of the next line
	columns int     // of the longest line
	steps   []shot
	body    bytes.Buffer
}

// shot is a part that appears: at once, or by typing.
type shot struct {
	at, until  float64
	characters int
}

func (d *recording) scene(s scene) {
	d.clock += beforeTyping
	n := utf8.RuneCountInString(s.command)
	typed := shot{at: d.clock, until: d.clock + float64(n)*perCharacter, characters: n}
	printed := shot{at: typed.until + beforeOutput}
	if len(d.steps) == 0 { // the first picture has the first scene
		typed.at, typed.until, printed.at = 0, 0, 0
	} else {
		d.y += lineHeight / 3
	}
	d.group(typed, []string{"$ " + s.command})
	d.group(printed, s.output)
	d.clock = printed.at + toRead
}

// group draws the lines of a shot. A typed line is under a cover that moves away.
func (d *recording) group(s shot, lines []string) {
	class := fmt.Sprintf("s%d", len(d.steps))
	d.steps = append(d.steps, s)
	fmt.Fprintf(&d.body, "<g class=%q>\n", class)
	for _, line := range lines {
		n := utf8.RuneCountInString(line)
		d.columns = max(d.columns, n)
		if n > 0 {
			color, weight := d.colors.of(line), ""
			if s.characters > 0 {
				color, weight = d.colors.command, ` class="b"`
			}
			fmt.Fprintf(&d.body, "<text x=\"%d\" y=\"%d\" fill=%q textLength=\"%.1f\"%s>%s</text>\n", margin, d.y, color, float64(n)*advance, weight, escape(line))
		}
		d.y += lineHeight
	}
	if s.characters > 0 && s.until > s.at {
		x, y, w := margin+2*advance, d.y-2*lineHeight+5, float64(s.characters)*advance
		fmt.Fprintf(&d.body, "<g class=\"c\" id=\"c%s\"><rect x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=%q/>"+
			"<rect x=\"%.1f\" y=\"%d\" width=\"7\" height=\"15\" fill=%q/></g>\n",
			class[1:], x, y, w+advance, lineHeight, d.colors.ground, x, y+1, d.colors.dim)
	}
	d.body.WriteString("</g>\n")
}

func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a strings.Builder accepts everything
	return b.String()
}

// style has the animations: a keyframe rule for each shot, in percent of the loop.
func (d *recording) style() string {
	var b strings.Builder
	b.WriteString("text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,\"DejaVu Sans Mono\",monospace;white-space:pre}\n.b{font-weight:600}\n.c{visibility:hidden}\n")
	b.WriteString("@media (prefers-reduced-motion:no-preference){\n")
	loop := func(seconds float64) float64 { return 100 * seconds / d.clock }
	for i, s := range d.steps {
		if s.at == 0 {
			continue
		}
		fmt.Fprintf(&b, "@keyframes s%d{0%%{opacity:0}%.2f%%,100%%{opacity:1}}\n.s%d{animation:s%d %.1fs step-end infinite}\n",
			i, loop(s.at), i, i, d.clock)
		if s.characters > 0 {
			fmt.Fprintf(&b, "@keyframes c%d{0%%{visibility:visible;transform:none}%.2f%%{visibility:visible;transform:none;animation-timing-function:steps(%d)}"+
				"%.2f%%,100%%{visibility:hidden;transform:translateX(%.1fpx)}}\n#c%d{animation:c%d %.1fs step-end infinite}\n",
				i, loop(s.at), s.characters, loop(s.until), float64(s.characters)*advance, i, i, d.clock)
		}
	}
	b.WriteString("}\n")
	return b.String()
}

func (d *recording) file(scenes []scene) []byte {
	width, height := int(float64(d.columns)*advance)+2*margin, d.y
	var told strings.Builder
	for _, s := range scenes {
		told.WriteString("$ " + s.command + "\n" + strings.Join(s.output, "\n") + "\n")
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\" aria-labelledby=\"title desc\">\n",
		width, height, width, height)
	b.WriteString("<title id=\"title\">A terminal: a fault, an experiment, and the halt of both</title>\n")
	fmt.Fprintf(&b, "<desc id=\"desc\">%s</desc>\n<style>\n%s</style>\n", escape(told.String()), d.style())
	fmt.Fprintf(&b, "<rect x=\".5\" y=\".5\" width=\"%d\" height=\"%d\" rx=\"8\" fill=%q stroke=%q/>\n", width-1, height-1, d.colors.ground, d.colors.edge)
	fmt.Fprintf(&b, "<path d=\"M1 %d V9 a8 8 0 0 1 8 -8 H%d a8 8 0 0 1 8 8 V%d z\" fill=%q/>\n", barHeight-6, width-9, barHeight-6, d.colors.bar)
	for i := range 3 {
		fmt.Fprintf(&b, "<circle cx=\"%d\" cy=\"%d\" r=\"5\" fill=%q/>\n", margin+16*i, barHeight/2-3, d.colors.edge)
	}
	fmt.Fprintf(&b, "<clipPath id=\"in\"><rect x=\"1\" y=\"1\" width=\"%d\" height=\"%d\" rx=\"8\"/></clipPath>\n<g clip-path=\"url(#in)\">\n%s</g>\n</svg>\n",
		width-2, height-2, &d.body)
	return b.Bytes()
}
