"""Which files hold source code, by their names."""

from __future__ import annotations

from pathlib import Path

_SOURCE = """
    py pyi pyx pxd go rs js mjs cjs jsx ts mts cts tsx vue svelte java kt kts scala sc groovy gradle clj cljs cljc edn
    c h cc cpp cxx c++ hh hpp hxx inl ino m mm cs fs fsx vb d zig nim v sv vhd vhdl odin swift dart
    rb rake php pl pm t lua tcl r jl ex exs erl hrl elm hs lhs ml mli sml f f90 f95 f03 for pas pp adb ads
    lisp lsp el scm rkt asm s sh bash zsh fish ksh ps1 psm1 bat cmd awk sed vim sql
    css scss sass less styl proto thrift graphql gql tf tfvars hcl nix bzl cmake mk mak dockerfile patch diff
    glsl hlsl vert frag comp wgsl cu cuh cl sol move cairo tla coq lean agda idr prql
"""
SOURCE_SUFFIXES = tuple(f".{suffix}" for suffix in _SOURCE.split())
SOURCE_NAMES = frozenset(
    ("makefile", "gnumakefile", "dockerfile", "containerfile", "jenkinsfile", "vagrantfile", "rakefile", "gemfile")
) | frozenset(("justfile", "cmakelists.txt", "build", "workspace", "procfile", "brewfile", "snakefile", ".bashrc"))


def is_source(path: Path) -> bool:
    """Whether the name of a file says that it holds source code."""
    return path.name.lower() in SOURCE_NAMES or path.suffix.lower() in SOURCE_SUFFIXES
