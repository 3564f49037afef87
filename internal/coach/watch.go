//go:build linux

package coach

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"container-workshop/internal/check"
	"container-workshop/internal/live"
)

// How often watch polls for a key and for a save. It polls, because synced folders send no events.
const (
	keyTime  = 50 * time.Millisecond
	saveTime = 200 * time.Millisecond
)

// A watch examines a program at each save.
type watch struct {
	*coach
	dir  string
	step int
	keys *keys
	// files are the files as they were last read. stale is true until they have been examined.
	files files
	stale bool
	// stop ends the running examination, if there is one. The examination sends its screen updates through events.
	stop   context.CancelFunc
	events chan func()
	// first is the finding on the screen. Again shows the whole screen once more.
	first *check.Finding
	again func()
	// continued receives a value when the shell continues us after Ctrl-Z.
	continued chan os.Signal
}

// watch examines the learner's program at each save.
func (c *coach) watch() error {
	dir, step, err := c.target("watch")
	if err != nil {
		return err
	}
	c.watched = true
	if err := c.prepare(step); err != nil {
		return err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	w := &watch{coach: c, dir: dir, step: step, keys: openKeys(), events: make(chan func()), continued: make(chan os.Signal, 1)}
	signal.Notify(w.continued, unix.SIGCONT)
	defer w.keys.restore()
	w.files, w.stale = look(dir), true
	w.heading(step, dir)
	live.Watch(".")
	w.onPage(dir, step)
	tick := time.NewTicker(keyTime)
	defer tick.Stop()
	for looked := time.Now(); ; {
		select {
		case <-signals:
			return w.leave()
		case <-w.continued:
			// The shell had the terminal in the meantime.
			w.keys.raw()
		case show := <-w.events:
			show()
		case <-tick.C:
		}
		if w.press(w.keys.pressed()) {
			return w.leave()
		}
		if time.Since(looked) >= saveTime {
			looked = time.Now()
			w.keepUp()
			w.see(look(w.dir))
		}
	}
}

// keepUp switches to the program and the step that the learner has started since, here or in another terminal.
func (w *watch) keepUp() {
	r, err := w.load()
	if err != nil || w.Step != "" || w.Dir != "" || r.Program == "" || r.Program == w.dir && r.Step == w.step {
		return
	}
	if w.stop != nil {
		w.stop()
	}
	w.dir, w.step = r.Program, r.Step
	w.files, w.stale = look(w.dir), true
	w.screen.clear()
	w.heading(w.step, w.dir)
	w.onPage(w.dir, w.step)
	w.screen.say("the lesson: %s", w.screen.in(cyan, folder(w.step)+"/README.md"))
}

// see compares the files with the last ones. It announces a save at once, and examines the program when the files have stayed the same
// for two polls, because an editor may still be writing.
func (w *watch) see(now files) {
	switch {
	case now == nil:
	case !now.same(w.files):
		names := now.changed(w.files)
		w.files, w.stale = now, true
		if w.stop != nil {
			w.stop()
		}
		w.screen.clear()
		w.heading(w.step, w.dir)
		w.screen.say("%s", w.screen.in(dim, fmt.Sprintf("saw %s at %s", names, time.Now().Format("15:04:05"))))
		w.live.Files, w.live.Saved = names, time.Now()
		w.tell(live.Saved)
	case w.stale && w.stop == nil:
		w.stale = false
		w.begin()
	}
}

// begin starts an examination.
func (w *watch) begin() {
	var refused error
	w.keys.suspendRaw(func() { refused = w.prepare(w.step) })
	if refused != nil {
		w.show(nil, refused)
		return
	}
	w.tell(live.Compiling)
	ctx, stop := context.WithCancel(context.Background())
	w.stop, w.shown, w.again = stop, nil, nil
	dir, step := w.dir, w.step
	w.screen.pass("  compiling %s …", dir)
	go func() {
		result, err := w.run(ctx, dir, step)
		w.events <- func() {
			stopped := ctx.Err() != nil
			stop()
			w.stop = nil
			if !stopped {
				w.show(result, err)
			}
		}
	}()
}

// run compiles and examines the program. The loop polls for keys and saves at the same time.
func (w *watch) run(ctx context.Context, dir string, step int) (*examination, error) {
	return w.examine(ctx, dir, step, w.flags(), func(e *examination) {
		done := make(chan struct{})
		w.events <- func() {
			if ctx.Err() == nil {
				w.follow(dir, e)
			}
			close(done)
		}
		<-done
	})
}

// show shows the end of an examination.
func (w *watch) show(result *examination, err error) {
	ended := err
	w.first, w.again = nil, func() {
		w.screen.clear()
		w.heading(w.step, w.dir)
		w.show(result, ended)
	}
	if err == nil {
		w.first = result.missing()
		err = w.conclude(w.dir, result)
	} else {
		w.tellFailure(err)
		err = w.failed(w.dir, w.step, err)
	}
	if err != nil && !errors.Is(err, errMissing) {
		w.screen.block("  ! ", red, err.Error())
	}
	w.menu()
}

// menu shows the keys.
func (w *watch) menu() {
	if w.keys.before == nil {
		return
	}
	w.screen.say("")
	line := "  "
	for _, entry := range []struct{ key, what string }{{"h", "hint"}, {"d", "compare with ours"}, {"l", "lesson"}, {"n", "next step"}, {"q", "quit"}} {
		line += w.screen.in(cyan, entry.key) + " " + entry.what + "   "
	}
	w.screen.say("%s", line)
}

// press acts on a key, and reports whether the key ends the watch.
func (w *watch) press(key byte) bool {
	switch key {
	case quit, ctrlC, ctrlD:
		return true
	case suspend:
		w.keys.suspendRaw(w.suspend)
	case 'h':
		w.aside(w.hint)
	case 'd':
		// One examination at a time. This one begins again afterwards.
		w.stale = w.halt() || w.stale
		w.aside(w.diff)
	case 'l':
		w.lesson()
	case 'n':
		w.aside(w.goOn)
	}
	return false
}

// aside runs another verb for the watched program.
func (w *watch) aside(verb func() error) {
	w.screen.say("")
	var err error
	// It may ask for a password.
	w.keys.suspendRaw(func() { err = verb() })
	if err != nil && !errors.Is(err, errMissing) {
		w.screen.block("  ! ", yellow, err.Error())
	}
	if w.stop == nil && !w.stale {
		w.menu()
	}
}

// lesson opens the lesson in a pager, at the section that helps. Without a pager, lesson names the section.
func (w *watch) lesson() {
	where := filepath.Join(folder(w.step), "README.md")
	if w.first != nil && w.first.Where != "" {
		where = w.first.Where
	}
	if cmd := pager(where, w.screen.width); cmd != nil && w.screen.live {
		w.keys.suspendRaw(func() { cmd.Run() })
		if w.again != nil {
			w.again()
		}
		return
	}
	w.aside(func() error {
		w.screen.say("  %s", place(where))
		return nil
	})
}

// goOn begins the next step with the watched program.
func (w *watch) goOn() error {
	r, err := w.load()
	if err != nil {
		return err
	}
	if !r.passed(w.step, w.dir) {
		return fmt.Errorf("step %d has not passed yet", w.step)
	}
	if w.step == steps {
		return errAllPassed
	}
	before := w.Settings
	w.Settings = Settings{Rootfs: w.Rootfs, All: w.All, Verbose: w.Verbose, Dir: w.dir, Step: fmt.Sprint(w.step + 1)}
	if err := w.start(); err != nil {
		w.Settings = before
		return err
	}
	// From now on the watch keeps up with the record.
	w.Settings.Dir, w.Settings.Step = "", ""
	return nil
}

// leave ends the watch.
func (w *watch) leave() error {
	w.halt()
	w.screen.settle()
	return nil
}

// halt ends the running examination and waits for its end. It reports whether one was running.
func (w *watch) halt() bool {
	if w.stop == nil {
		return false
	}
	w.stop()
	for w.stop != nil {
		(<-w.events)()
	}
	return true
}
