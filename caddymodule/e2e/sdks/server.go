package main

import (
	"bytes"
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
	"strconv"
	"syscall"
	"time"
)

// server is the Caddy that injects the faults.
type server struct {
	url   string
	admin *http.Client
	cmd   *exec.Cmd
	log   bytes.Buffer
}

// start starts Caddy with the Caddyfile, and waits until it serves.
func start(ctx context.Context, s *settings) (*server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	socket := filepath.Join(s.dir, "admin.sock")
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}
	srv := &server{
		url:   "http://127.0.0.1:" + strconv.Itoa(port),
		admin: &http.Client{Transport: &http.Transport{DialContext: dial}, Timeout: 10 * time.Second},
		cmd:   exec.Command(s.caddy, "run", "--config", "Caddyfile", "--adapter", "caddyfile"),
	}
	srv.cmd.Env = append(os.Environ(), "ADMIN=unix/"+socket, "PORT="+strconv.Itoa(port), "WINDOW="+s.window.String(),
		"XDG_CONFIG_HOME="+s.dir, "XDG_DATA_HOME="+s.dir)
	srv.cmd.Stdout, srv.cmd.Stderr = &srv.log, &srv.log
	if err := srv.cmd.Start(); err != nil {
		return nil, err
	}
	for range 100 {
		if _, err = srv.clients(ctx); err == nil {
			return srv, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	srv.stop()
	return nil, fmt.Errorf("caddy does not serve: %w\n%s", err, srv.log.Bytes())
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// stop ends Caddy.
func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	ended := time.AfterFunc(5*time.Second, func() { _ = s.cmd.Process.Kill() })
	_ = s.cmd.Wait()
	ended.Stop()
}

// answer is the part of GET /fault/clients?calls=true that is used here.
type answer struct {
	Clients  []judged `json:"clients"`
	Recorded struct {
		Calls []call `json:"calls"`
	} `json:"recorded"`
}

// judged is what a client was found to do.
type judged struct {
	Client   string `json:"client"`
	Findings []struct {
		Finding string `json:"finding"`
		Level   string `json:"level"`
	} `json:"findings"`
}

// call is the attempts that belong together.
type call struct {
	Client    string    `json:"client"`
	By        string    `json:"by"`
	Method    string    `json:"method"`
	MayRepeat bool      `json:"may_repeat"`
	Outcome   string    `json:"outcome"`
	Count     int       `json:"count"`
	Attempts  []attempt `json:"attempts"`
	Path      string    `json:"path"`
}

type attempt struct {
	N          int       `json:"n"`
	Start      time.Time `json:"start"`
	End        time.Time `json:"end,omitzero"`
	Outcome    string    `json:"outcome"`
	Status     int       `json:"status,omitempty"`
	Rule       string    `json:"rule,omitempty"`
	RetryAfter *float64  `json:"retry_after,omitempty"`
	Conn       string    `json:"conn"`
	Overlap    bool      `json:"overlap,omitempty"`
	Late       bool      `json:"late,omitempty"`
}

// clients asks Caddy what the clients have done.
func (s *server) clients(ctx context.Context) (found answer, err error) {
	reply, err := s.ask(ctx, http.MethodGet, "?calls=true", http.StatusOK)
	if err != nil {
		return found, err
	}
	return found, errors.Join(json.NewDecoder(reply).Decode(&found), reply.Close())
}

// forget makes Caddy forget what the clients have done.
func (s *server) forget(ctx context.Context) error {
	reply, err := s.ask(ctx, http.MethodDelete, "", http.StatusNoContent)
	if err != nil {
		return err
	}
	return reply.Close()
}

func (s *server) ask(ctx context.Context, method, query string, status int) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://127.0.0.1/fault/clients"+query, http.NoBody)
	if err != nil {
		return nil, err
	}
	reply, err := s.admin.Do(r)
	if err == nil && reply.StatusCode != status {
		err = errors.Join(errors.New(reply.Status), reply.Body.Close())
	}
	if err != nil {
		return nil, err
	}
	return reply.Body, nil
}
