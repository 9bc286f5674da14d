package kinds

import (
	"net/http"
	"slices"
	"strings"
)

// frames finds the borders of the events in one stream. It reads the stream in pieces of
// any size, each byte once.
type frames interface {
	// scan reads on in the current event. It returns how many bytes of p belong to the
	// event, and whether the event is whole. The call after a whole event begins the
	// next event, and reads at least one byte of it.
	scan(p []byte) (n int, whole bool)

	// counts reports whether the event that scan has read gets a number.
	counts() bool

	// name returns the name of an event, or "" if the format has no names.
	name(event []byte) string

	// mark returns the length of the end mark of a whole event.
	mark(event []byte) int

	// frame returns a text as an event with its end mark, or nil if the format has no
	// texts.
	frame(text string) []byte
}

// headFrames have a head that says how long an event is.
type headFrames interface {
	// headRead reports whether the head of the current event has been read.
	headRead() bool
}

// nestedFrames can have an event in the middle of another one.
type nestedFrames interface {
	// interrupts reports whether an event that begins with c comes in the middle of the
	// current event.
	interrupts(c byte) bool
}

// textFrames have a text that is not all of the bytes of an event.
type textFrames interface {
	// text returns the text of an event, or false if it cannot be read.
	text(event []byte) (text []byte, ok bool)
}

// A streamFormat is a format of streams.
type streamFormat struct {
	name  string
	types []string // the media types that have it, without a suffix
	read  func() frames
}

// The names of the formats that steps refer to.
const (
	formatSSE       = "sse"
	formatGRPC      = "grpc"
	formatWebSocket = "websocket"
)

// streamFormats lists all formats.
var streamFormats = []streamFormat{
	{formatSSE, []string{"text/event-stream"}, func() frames { return new(sseFrames) }},
	{"ndjson", []string{"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines", "application/stream+json"}, func() frames { return &lineFrames{skipsBlank: true} }},
	{"json-seq", []string{"application/json-seq"}, func() frames { return new(seqFrames) }},
	{formatGRPC, []string{"application/grpc", "application/grpc-web", "application/connect"}, func() frames { return new(grpcFrames) }},
	{formatWebSocket, nil, func() frames { return new(webSocketFrames) }},
	{"lines", nil, func() frames { return new(lineFrames) }},
}

// formatNames returns the names of all formats, for errors.
func formatNames() []string {
	names := make([]string, len(streamFormats))
	for i, format := range streamFormats {
		names[i] = format.name
	}
	return names
}

// findFormat returns the format with this name, or the one of a reply if the name is
// empty. It returns nil if there is no such format.
func findFormat(name string, header http.Header) *streamFormat {
	contentType := ""
	if name == "" {
		contentType = mediaType(header["Content-Type"])
	}
	base, _, _ := strings.Cut(contentType, "+") // of application/grpc+proto
	i := slices.IndexFunc(streamFormats, func(f streamFormat) bool {
		return f.name == name || contentType != "" && (slices.Contains(f.types, contentType) || slices.Contains(f.types, base))
	})
	switch {
	case i >= 0:
		return &streamFormats[i]
	case strings.HasSuffix(contentType, "+json-seq"): // RFC 8091
		return findFormat("json-seq", nil)
	}
	return nil
}
