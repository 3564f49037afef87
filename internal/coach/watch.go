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
)

// How often watch looks for a key and for a save. It looks itself, because synced folders send no events.
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
	// files are those of the last look, and stale is true until they have been examined.
	files files
	stale bool
	// stop ends the examination that is running, if there is one. What is running hands over what is to be shown in events.
	stop   context.CancelFunc
	events chan func()
	// first is the finding that is shown.
	first *check.Finding
	// continued receives when we go on after Ctrl-Z.
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
	defer w.keys.giveBack()
	w.files, w.stale = look(dir), true
	w.heading(step, dir)
	tick := time.NewTicker(keyTime)
	defer tick.Stop()
	for looked := time.Now(); ; {
		select {
		case <-signals:
			return w.leave()
		case <-w.continued:
			// The shell has had the terminal.
			w.keys.take()
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

// keepUp turns to the program and the step that the learner has started meanwhile, here or in another terminal.
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
	w.screen.say("the lesson: %s", w.screen.in(cyan, folder(w.step)+"/README.md"))
}

// see compares the files with those of the last look. A save is announced at once, and examined when the files have been the same
// for two looks, because an editor may still be writing.
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
	case w.stale && w.stop == nil:
		w.stale = false
		w.begin()
	}
}

// begin starts an examination.
func (w *watch) begin() {
	var refused error
	w.keys.lend(func() { refused = w.prepare(w.step) })
	if refused != nil {
		w.show(nil, refused)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	w.stop, w.shown = stop, nil
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

// run compiles and examines the program, beside the loop that looks for keys and saves.
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
	w.first = nil
	if err == nil {
		w.first = result.missing()
		err = w.conclude(w.dir, result)
	} else {
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

// press does what a key stands for, and reports whether it ends the watch.
func (w *watch) press(key byte) bool {
	switch key {
	case quit, ctrlC, ctrlD:
		return true
	case suspend:
		w.keys.lend(w.suspend)
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

// suspend stops us and make, until the shell lets us go on. A signal to a process of many threads takes a moment, and a process
// that no shell waits for does not stop.
func (w *watch) suspend() {
	unix.Kill(0, unix.SIGTSTP)
	select {
	case <-w.continued:
	case <-time.After(saveTime):
	}
}

// aside does another verb, for the program that is watched.
func (w *watch) aside(verb func() error) {
	w.screen.say("")
	var err error
	// It may ask for a password.
	w.keys.lend(func() { err = verb() })
	if err != nil && !errors.Is(err, errMissing) {
		w.screen.block("  ! ", yellow, err.Error())
	}
	if w.stop == nil && !w.stale {
		w.menu()
	}
}

// lesson opens the lesson where it helps, in a pager. Without a pager it says where that is.
func (w *watch) lesson() {
	where := filepath.Join(folder(w.step), "README.md")
	if w.first != nil && w.first.Where != "" {
		where = w.first.Where
	}
	if cmd := pager(where, w.screen.width); cmd != nil && w.screen.live {
		w.keys.lend(func() { cmd.Run() })
		return
	}
	w.aside(func() error {
		w.screen.say("  %s", place(where))
		return nil
	})
}

// goOn begins the next step with the program that is watched.
func (w *watch) goOn() error {
	r, err := w.load()
	if err != nil {
		return err
	}
	if !r.passed(w.step, w.dir) {
		return errors.New("step " + string(rune('0'+w.step)) + " has not passed yet")
	}
	// From now on the watch keeps up with the record.
	w.Settings = Settings{Rootfs: w.Rootfs, All: w.All, Verbose: w.Verbose, Dir: w.dir}
	err = w.start()
	w.Settings.Dir = ""
	return err
}

// leave ends the watch.
func (w *watch) leave() error {
	w.halt()
	w.screen.settle()
	return nil
}

// halt ends the examination that is running and waits for its end. It reports whether there was one.
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
