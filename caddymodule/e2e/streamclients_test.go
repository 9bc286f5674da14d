package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// The folder of the clients that read streams. Those for Node.js and the browser are in the
// same folder, and use the same cases.
const streamsFolder = "sdks/streams"

// streamCase is a fault for a client that reads a stream. The client waits if it must
// report nothing.
type streamCase struct {
	Fault string `json:"fault"`
	Waits bool   `json:"waits"`
}

// silence is how long a client waits if it must report nothing.
const silence = 3 * time.Second

// streamReport is what a client reports in one case.
type streamReport struct {
	Table  string `json:"table"`
	Client string `json:"client"`
	Fault  string `json:"fault"`
	Report string `json:"report"`
}

// streamRecord is the file of the reports. The tables of reference/stream-clients.md are
// generated from it and the files beside it.
type streamRecord struct {
	Measured string            `json:"measured"`
	Platform string            `json:"platform"`
	Titles   map[string]string `json:"titles"`
	Reports  []streamReport    `json:"reports"`
}

// The messages of every stream, and what a client that gets all of them sees.
const (
	lastTick = 6
	allTicks = "1 2 3 4 5 6"
	early    = "1 2 3" // before the pause
)

// tick calls send with the numbers of the messages. It pauses in the middle: a TCP reset
// discards what the client has not read, so the client needs time to read.
func tick(send func(n int) error) error {
	for n := range lastTick {
		if n == lastTick/2 {
			time.Sleep(300 * time.Millisecond)
		}
		if err := send(n + 1); err != nil {
			return err
		}
	}
	return nil
}

// TestStreamClients checks what curl, gorilla/websocket and grpc-go report when a stream
// breaks. With -update it records what they report.
func TestStreamClients(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(streamsFolder, "cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases map[string][]streamCase
	if err := json.Unmarshal(content, &cases); err != nil {
		t.Fatal(err)
	}
	var directives strings.Builder
	for _, table := range []string{"events", "sockets", "calls"} {
		for i, c := range cases[table] {
			matcher := fmt.Sprintf("path /%s/%d", table, i)
			if table == "calls" { // the path is the one of the method
				matcher = fmt.Sprintf("header X-Case %d", i)
			}
			fmt.Fprintf(&directives, "fault {\nmatch %s\n%s\n}\n", matcher, c.Fault)
		}
	}
	up, calls := serve(t, ticks), serveGRPC(t, ticker{})
	directives.WriteString("reverse_proxy " + watchPath + " " + calls.addr + "\n" + up.proxy())
	s := start(t, config{tls: true, wrapper: true, site: directives.String()})
	client := s.grpcClient(t)
	got := reportEach(cases,
		streamClient{"events", "curl", func(i int, limit time.Duration) string { return s.curlReport(t, "--http1.1", i, limit) }},
		streamClient{"events", "curl-http2", func(i int, limit time.Duration) string { return s.curlReport(t, "--http2", i, limit) }},
		streamClient{"sockets", "gorilla", func(i int, limit time.Duration) string { return s.gorillaReport(t, i, limit) }},
		streamClient{"calls", "grpc-go", func(i int, limit time.Duration) string { return grpcReport(t, client, i, limit) }},
	)
	if !t.Failed() {
		holdReports(t, got)
	}
}

// streamClient is a client of a table. The function reports what it sees in a case.
type streamClient struct {
	table, name string
	report      func(i int, limit time.Duration) string
}

// streamTry is a case for a client, and what the client has reported.
type streamTry struct {
	streamReport
	again func() string
}

// reportEach lets clients report all cases of their tables at the same time.
func reportEach(cases map[string][]streamCase, clients ...streamClient) (all []streamTry) {
	for _, client := range clients {
		for i, c := range cases[client.table] {
			all = append(all, streamTry{
				streamReport{Table: client.table, Client: client.name, Fault: c.Fault},
				func() string { return client.reportCase(i, c) },
			})
		}
	}
	var group sync.WaitGroup
	for i := range all {
		group.Go(func() { all[i].Report = all[i].again() })
	}
	group.Wait()
	return all
}

// reportCase reports what the client sees in a case. On a busy machine, a client that waits
// may need more time for the messages before the pause.
func (sc streamClient) reportCase(i int, c streamCase) string {
	if c.Waits {
		if got := sc.report(i, silence); strings.HasPrefix(got, early) {
			return got
		}
	}
	return sc.report(i, patience)
}

// ticks is an upstream that sends messages as server-sent events, or over a WebSocket.
func ticks(w http.ResponseWriter, r *http.Request) {
	if !websocket.IsWebSocketUpgrade(r) {
		w.Header().Set("Content-Type", "text/event-stream")
		_ = tick(func(n int) error {
			_, err := fmt.Fprintf(w, "id: %d\ndata: %d\n\n", n, n)
			return errors.Join(err, http.NewResponseController(w).Flush())
		})
		return
	}
	conn, err := new(websocket.Upgrader).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	err = tick(func(n int) error { return conn.WriteMessage(websocket.TextMessage, []byte("tick "+strconv.Itoa(n))) })
	if err == nil {
		_ = conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, "done"))
		_, _, _ = conn.ReadMessage() // the close frame of the client
	}
}

// ticker is a gRPC health service that sends messages.
type ticker struct {
	grpc_health_v1.UnimplementedHealthServer
}

func (ticker) Watch(_ *grpc_health_v1.HealthCheckRequest, stream grpc_health_v1.Health_WatchServer) error {
	return tick(func(n int) error {
		return stream.Send(&grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_ServingStatus(n)})
	})
}

// ticked joins the messages that a client got and the end of the stream. If the client
// takes other messages than those sent for success, they are in bold.
func ticked(messages []string, end string, success bool) string {
	got := strings.Join(messages, " ")
	all := strings.TrimPrefix(got+", "+end, ", ")
	if success && got != allTicks {
		return "**" + all + "**"
	}
	return all
}

func (s *site) curlReport(t *testing.T, version string, i int, limit time.Duration) string {
	cmd := exec.CommandContext(t.Context(), "curl", "--disable", "--silent", "--no-buffer", "--insecure", "--noproxy", "*", version,
		"--connect-to", "::"+s.addr, "--max-time", fmt.Sprint(limit.Seconds()), s.url("/events/"+strconv.Itoa(i)))
	out, err := cmd.Output()
	if failed := (*exec.ExitError)(nil); err != nil && !errors.As(err, &failed) {
		t.Errorf("running curl: %v", err)
		return ""
	}
	var messages []string
	for line := range strings.Lines(string(out)) {
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			messages = append(messages, strings.TrimSpace(data))
		}
	}
	exit := cmd.ProcessState.ExitCode()
	return ticked(messages, "exit "+strconv.Itoa(exit), exit == curlFine)
}

func (s *site) gorillaReport(t *testing.T, i int, limit time.Duration) string {
	conn, reply, err := s.webSocketAt(t, "/sockets/"+strconv.Itoa(i))
	if errors.Is(err, websocket.ErrBadHandshake) {
		return fmt.Sprintf("`ErrBadHandshake`, status %d", reply.StatusCode)
	}
	if err == nil {
		_ = conn.SetReadDeadline(time.Now().Add(limit))
	}
	var messages []string
	for err == nil {
		var message []byte
		if _, message, err = conn.ReadMessage(); err == nil {
			messages = append(messages, strings.TrimPrefix(string(message), "tick "))
		}
	}
	if closed, ok := errors.AsType[*websocket.CloseError](err); ok {
		return ticked(messages, strings.TrimSpace(fmt.Sprintf("close %d %s", closed.Code, closed.Text)), closed.Code == websocket.CloseNormalClosure)
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return ticked(messages, "waits", false)
	}
	_, cause, found := strings.Cut(err.Error(), "read: ")
	if !found { // without addresses
		cause = err.Error()
	}
	return ticked(messages, "error `"+cause+"`", false)
}

func grpcReport(t *testing.T, client grpc_health_v1.HealthClient, i int, limit time.Duration) string {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var messages []string
	stream, err := client.Watch(metadata.AppendToOutgoingContext(ctx, "x-case", strconv.Itoa(i)), nil)
	for err == nil {
		var message *grpc_health_v1.HealthCheckResponse
		if message, err = stream.Recv(); err == nil {
			messages = append(messages, strconv.Itoa(int(message.Status)))
		}
	}
	if errors.Is(err, io.EOF) {
		return ticked(messages, "`OK`", true)
	}
	got := status.Convert(err)
	text, _, _ := strings.Cut(got.Message(), ";") // the rest is the reply
	text = strings.TrimSuffix(got.Code().String()+": "+text, ": ")
	return ticked(messages, "`"+text+"`", false)
}

// aloneTries is how often a client whose report differs tries again, alone. A reset discards
// what a client has not read, and among many clients on a busy machine some read late.
const aloneTries = 3

// holdReports compares reports with the recorded ones, or records them.
func holdReports(t *testing.T, got []streamTry) {
	t.Helper()
	file := filepath.Join(streamsFolder, "measured", "go.json")
	if *update {
		writeReports(t, file, got)
		return
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var want streamRecord
	if err := json.Unmarshal(content, &want); err != nil {
		t.Fatal(err)
	}
	for _, try := range got {
		for n := 0; n < aloneTries && !slices.Contains(want.Reports, try.streamReport); n++ {
			t.Logf("not recorded: %+v", try.streamReport)
			try.Report = try.again()
		}
		if !slices.Contains(want.Reports, try.streamReport) {
			t.Errorf("not recorded: %+v; if it is right, run\ngo test ./caddymodule/e2e -run TestStreamClients -update", try.streamReport)
		}
	}
	if len(got) != len(want.Reports) {
		t.Errorf("%d reports, and %d recorded", len(got), len(want.Reports))
	}
}

// writeReports writes a file with one report on each line.
func writeReports(t *testing.T, file string, reports []streamTry) {
	t.Helper()
	curl := "curl " + strings.Fields(output(t, "curl", "--version"))[1]
	gorilla := "gorilla/websocket " + strings.TrimPrefix(output(t, "go", "list", "-m", "-f", "{{.Version}}", "github.com/gorilla/websocket"), "v")
	head, err := json.Marshal(streamRecord{
		Measured: time.Now().Format(time.DateOnly), Platform: "Go " + strings.TrimPrefix(runtime.Version(), "go"),
		Titles: map[string]string{
			"curl": curl, "curl-http2": curl + ", HTTP/2",
			"gorilla": gorilla, "grpc-go": "grpc-go " + grpc.Version,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	for i, report := range reports {
		line, err := json.Marshal(report.streamReport)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&lines, "%s%s", map[bool]string{true: "\n", false: ",\n"}[i == 0], line)
	}
	writeFile(t, file, []byte(strings.Replace(string(head), "null}", "["+lines.String()+"\n]}\n", 1)))
}

// output returns what a command prints.
func output(t *testing.T, words ...string) string {
	t.Helper()
	out, err := exec.Command(words[0], words[1:]...).Output()
	if err != nil {
		t.Fatalf("%q: %v", words, err)
	}
	return strings.TrimSpace(string(out))
}
