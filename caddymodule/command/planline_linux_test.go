package command

import (
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/caddyfault/caddyfault/caddymodule/plan"
)

// openTerminal returns both ends of a terminal with a width: what a person sees, and what a
// program writes to.
func openTerminal(t *testing.T, width uint16) (person, program *os.File) {
	t.Helper()
	control := func(file *os.File, request uintptr, arg unsafe.Pointer) {
		t.Helper()
		if _, _, no := syscall.Syscall(syscall.SYS_IOCTL, file.Fd(), request, uintptr(arg)); no != 0 {
			t.Skipf("no terminal: %v", no)
		}
	}
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminal: %v", err)
	}
	t.Cleanup(func() { _ = person.Close() })
	unlocked, number := 0, 0
	control(person, syscall.TIOCSPTLCK, unsafe.Pointer(&unlocked))
	control(person, syscall.TIOCGPTN, unsafe.Pointer(&number))
	program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminal: %v", err)
	}
	t.Cleanup(func() { _ = program.Close() })
	control(program, syscall.TIOCSWINSZ, unsafe.Pointer(&[4]uint16{24, width}))
	return person, program
}

// A terminal gets no control characters of a file.
func TestLinesOnTerminal(t *testing.T) {
	person, program := openTerminal(t, 80)
	var file strings.Builder
	for _, out := range []io.Writer{program, &file} {
		if err := writeLines(out, "a\u009b\x1b\tb\n"); err != nil {
			t.Fatal(err)
		}
	}
	buf := make([]byte, 4096)
	n, err := person.Read(buf)
	if got := string(buf[:n]); err != nil || strings.ContainsAny(got, "\u009b\x1b") || !strings.HasPrefix(got, "a\ufffd\ufffd") {
		t.Errorf("a terminal gets %q, %v", got, err)
	}
	if file.String() != "a\u009b\x1b\tb\n" {
		t.Errorf("a file gets %q", &file)
	}
}

// A real terminal has the line, in its width. NO_COLOR leaves out the colors, and a dumb
// terminal has no line.
func TestLiveLineOnTerminal(t *testing.T) {
	for _, tt := range []struct {
		term, noColor string
		live, colors  bool
	}{{"xterm", "", true, true}, {"xterm", "1", true, false}, {"dumb", "", false, false}} {
		t.Setenv("TERM", tt.term)
		t.Setenv("NO_COLOR", tt.noColor)
		person, program := openTerminal(t, 30)
		cmd := faultCommand()
		cmd.SetOut(program)
		cmd.SetErr(program)
		s := &planSession{session: &session{Command: cmd}}
		r := new(plan.Runner)
		out, done := s.output(r)
		if (r.Show != nil) != tt.live || out.live != tt.live {
			t.Errorf("%+v: live is %t", tt, out.live)
		}
		if tt.live {
			r.Show(plan.Progress{Part: "stage a", Began: time.Now(), Ends: time.Now().Add(time.Hour), Faults: true, Worst: "error no_wait of somebody"})
		}
		programs := r.Programs.(plan.System)
		_, _ = io.WriteString(programs.Err, "from a command\n")
		out.say("00:01 stage a")
		if tt.live {
			r.Show(plan.Progress{})
		}
		done()
		out.say("end")
		var seen strings.Builder
		for buf := make([]byte, 4096); !strings.HasSuffix(seen.String(), "end\r\n"); {
			n, err := person.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			seen.Write(buf[:n])
		}
		text := seen.String()
		if strings.Contains(text, "\x1b[") != tt.colors {
			t.Errorf("%+v: got %q", tt, text)
		}
		if strings.Contains(text, "60:00 left") != tt.live || strings.Contains(text, "somebody") {
			t.Errorf("%+v: got %q", tt, text)
		}
		plain := shownAt(strings.ReplaceAll(text, "\r\n", "\n"))
		if want := "from a command\n00:01 stage a\nend\n"; !tt.colors && plain != want {
			t.Errorf("%+v: the terminal shows %q, want %q", tt, plain, want)
		}
	}
}
