// Package wire does to an HTTP/1 connection what net/http keeps from handlers: it
// writes the reason phrase, takes the connection over and hands it back, closes it
// in order or resets it, and lends out the body of a request. Writers that decide by
// the head of a reply embed its HeadWriter.
//
// It knows net/http, and how Caddy wraps connections and replies. It knows no fault
// and no rule.
//
// It rests on these facts, which nobody documents. Each has a test that fails when
// it changes, and what happens then:
//
//   - net/http and Caddy put the local address of a connection into the context of
//     its requests. A connection of the listener wrapper shows itself there
//     (TestArm). Without it, a reply is handed back instead.
//   - net/http begins each final head with a Write of its own, and with its own text
//     for the status (TestStatusLineKnowsNetHTTP, TestFinalHead). Another head is
//     left as it is.
//   - Caddy's recorders put a connection around a hijacked one that copies by
//     io.Copy, so that the one inside can be found (TestHandBackRecorders). If not,
//     their own connection is used, which counts sizes of its own.
//   - Serve tells a server that has been shut down from one that runs, and takes a
//     connection that has served requests before (TestHandBackShutdown,
//     TestHandBackDuringShutdown). If not, the connection is closed.
//   - net/http looks for the preface of HTTP/2 in short reads, and gives up after
//     empty ones (TestNextRequest). If not, a preface on a connection that was handed
//     back is answered by HTTP/2.
//   - net/http's own type of a body shows that nobody has replaced it
//     (TestHandBackReplacedBody). If not, the connection is closed after the reply.
package wire
