//go:build linux

package verbs

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"container-workshop/final/engine/image"
	"container-workshop/final/engine/image/registry"
	"container-workshop/final/report"
)

// remote adds the flags for a registry.
func (c *call) remote() *registry.Options {
	o := &registry.Options{}
	c.set.StringVar(&o.TLSVerify, "tls-verify", "true", "`WHEN` a registry needs TLS and a certificate that you trust: true (always),\nfalse (always, except for a registry on this host), or force (never)")
	c.set.StringVar(&o.CA, "ca", "", "trust the certificates in `FILE`, too")
	explain := c.set.Bool("explain", false, "print the requests to the registry, in order")
	c.begin = func() {
		if *explain {
			o.Explain = func(line string) { fmt.Fprintln(os.Stderr, report.OneLine(line)) }
		}
	}
	return o
}

func pull(c *call) error {
	o := c.remote()
	from := c.set.String("registry", image.DefaultRegistry, "the registry `HOST[:PORT]` of a name without one")
	mirrors := c.set.StringArray("mirror", nil, "try the registry `HOST[:PORT]` first; may be repeated")
	quiet := c.set.BoolP("quiet", "q", false, "print only the digest")
	if err := c.parse(1, 1); err != nil {
		return err
	}
	for _, name := range append(*mirrors, *from) {
		if err := image.CheckRegistry(name); err != nil {
			return err
		}
	}
	r, err := image.ParseReference(c.args[0], *from)
	if err != nil {
		return err
	}
	client, root, err := c.resolve(r, *mirrors, *o)
	if err != nil {
		return err
	}
	p := newProgress(*quiet || o.Explain != nil)
	adder := c.adder()
	adder.Source, adder.Report = client, p.report
	added, err := adder.Add(background, root, r.String())
	p.end()
	if err != nil {
		return fmt.Errorf("pull %s: %w", r, err)
	}
	fmt.Println(added.Digest)
	return nil
}

// resolve asks the mirrors of a registry for an image, and then the registry itself.
func (c *call) resolve(r image.Reference, mirrors []string, o registry.Options) (*registry.Client, image.Descriptor, error) {
	var failed error
	for _, at := range append(mirrors, r.Registry) {
		there := r
		there.Registry = at
		client, err := registry.New(background, there, o)
		if err == nil {
			var root image.Descriptor
			if root, err = client.Resolve(background, there); err == nil {
				return client, root, nil
			}
		}
		failed = errors.Join(failed, err)
	}
	return nil, image.Descriptor{}, failed
}

func push(c *call) error {
	o := c.remote()
	quiet := c.set.BoolP("quiet", "q", false, "print only the digest")
	if err := c.parse(1, 2); err != nil {
		return err
	}
	lock, err := c.store.Share()
	if err != nil {
		return err
	}
	defer lock.Unlock()
	found, err := c.store.Find(c.args[0])
	if err != nil {
		return err
	}
	r, err := image.ParseReference(c.args[len(c.args)-1], image.DefaultRegistry)
	if err != nil {
		return err
	}
	if r.Tag == "" {
		return fmt.Errorf("push %s: the name needs a tag, the digest is the image's own", r)
	}
	i, err := c.store.Read(found[0].Manifest.Digest)
	if err != nil {
		return err
	}
	client, err := registry.New(background, r, *o)
	if err != nil {
		return err
	}
	p := newProgress(*quiet || o.Explain != nil)
	err = client.Push(background, c.store, i, r, found[0].Manifest, p.report)
	p.end()
	if err != nil {
		return fmt.Errorf("push %w", err)
	}
	fmt.Println(i.Digest)
	return nil
}

func login(c *call) error {
	o := c.remote()
	user := c.set.StringP("username", "u", "", "`NAME` of the user")
	fromStdin := c.set.Bool("password-stdin", false, "read the password from standard input")
	if err := c.parse(0, 1); err != nil {
		return err
	}
	name, err := registryOf(c.args)
	if err != nil {
		return err
	}
	password := ""
	switch {
	case *fromStdin && *user == "":
		return errors.New("login: --password-stdin needs --username")
	case *fromStdin:
		content, err := io.ReadAll(io.LimitReader(os.Stdin, 1<<16))
		if err != nil {
			return err
		}
		password = strings.TrimRight(string(content), "\r\n")
	case !term.IsTerminal(0):
		return errors.New("login: standard input is not a terminal (use --username and --password-stdin)")
	default:
		if password, err = ask(user); err != nil {
			return err
		}
	}
	client, err := registry.New(background, image.Reference{Registry: name}, *o)
	if err != nil {
		return err
	}
	if err := client.Login(background, *user, password); err != nil {
		return fmt.Errorf("login: %w", err)
	}
	fmt.Printf("logged in to %s as %s (see %s)\n", name, report.Printable(*user), registry.ConfigFile())
	return nil
}

// ask asks for the name, if it is missing, and for the password, which the terminal does not show.
func ask(user *string) (password string, err error) {
	if *user == "" {
		fmt.Fprint(os.Stderr, "Name: ")
		line, err := bufio.NewReader(os.Stdin).ReadString('\n')
		if err != nil {
			return "", err
		}
		*user = strings.TrimSpace(line)
	}
	fmt.Fprint(os.Stderr, "Password: ")
	content, err := term.ReadPassword(0)
	fmt.Fprintln(os.Stderr)
	return string(content), err
}

func logout(c *call) error {
	if err := c.parse(0, 1); err != nil {
		return err
	}
	name, err := registryOf(c.args)
	if err != nil {
		return err
	}
	return registry.Logout(background, name)
}

func registryOf(args []string) (string, error) {
	if len(args) == 0 {
		return image.DefaultRegistry, nil
	}
	return args[0], image.CheckRegistry(args[0])
}
