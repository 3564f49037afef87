// This file is empty. Go allows functions without a body, as in fork.go, only in a package with an assembly file.
