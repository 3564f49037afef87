//go:build linux

package image

// A Verb is a verb of final that is about images and nothing else: package verbs has what it does.
type Verb struct{ Name, Args, About string }

// Verbs are all of these, as --help shows them.
var Verbs = []Verb{
	{"pull", "[flags] IMAGE", "fetch an image from a registry"},
	{"push", "[flags] IMAGE [NAME]", "send an image to a registry, under its name or another"},
	{"login", "[flags] [REGISTRY]", "keep name and password for a registry"},
	{"logout", "[REGISTRY]", "forget name and password for a registry"},
	{"load", "[flags] [IMAGE]", "load images from an archive"},
	{"save", "[flags] IMAGE ...", "save images into an archive"},
	{"import", "[flags] FILE|- [IMAGE]", "make an image of a root file system in a tar file"},
	{"images", "[flags]", "list images"},
	{"rmi", "IMAGE ...", "remove images"},
	{"history", "[flags] IMAGE", "print how an image was built"},
	{"inspect", "IMAGE ...", "print all about images as JSON"},
	{"prune", "", "remove unnamed images, and what a restart left behind"},
}
