"""File names that say what is inside: source code, and what is never text."""

from __future__ import annotations

_SOURCE = """
    py pyi pyx pxd go rs js mjs cjs jsx ts mts cts tsx vue svelte java kt kts scala sc groovy gradle clj cljs cljc edn
    c h cc cpp cxx c++ hh hpp hxx inl ino m mm cs fs fsx vb d zig nim v sv vhd vhdl odin swift dart
    rb rake php pl pm t lua tcl r jl ex exs erl hrl elm hs lhs ml mli sml f f90 f95 f03 for pas pp adb ads
    lisp lsp el scm rkt asm s sh bash zsh fish ksh ps1 psm1 bat cmd awk sed vim sql
    css scss sass less styl proto thrift graphql gql tf tfvars hcl nix bzl cmake mk mak dockerfile patch diff
    glsl hlsl vert frag comp wgsl cu cuh cl sol move cairo tla coq lean agda idr prql
"""
_BINARY = """
    png jpg jpeg jpe gif bmp tif tiff webp heic heif avif ico icns psd ai xcf raw cr2 nef arw dng jp2 svgz
    mp3 wav flac ogg oga opus m4a aac wma aiff mid midi mp4 m4v mkv mov avi wmv webm flv mpg mpeg 3gp
    zip gz tgz bz2 tbz xz txz zst lz lz4 lzma 7z rar tar jar war ear whl egg deb rpm apk dmg iso img cab msi pkg
    exe dll so dylib a o obj lib bin dat class pyc pyo pyd wasm elf ko sys
    ttf otf woff woff2 eot pfb
    doc dot xls xlt ppt pot pps msg pst odt ods odp odg rtf pages numbers key mobi azw azw3 djvu xps chm one vsd
    sqlite sqlite3 db mdb accdb parquet feather arrow avro orc h5 hdf5 npy npz pkl pickle joblib mat rds rdata
    safetensors onnx pt pth ckpt gguf faiss tflite keras
    p7s p7m p12 pfx der gpg pgp keystore jks
"""

SOURCE_SUFFIXES = tuple(f".{suffix}" for suffix in _SOURCE.split())
BINARY_SUFFIXES = frozenset(f".{suffix}" for suffix in _BINARY.split())

# Whole file names, in lower case.
SOURCE_NAMES = frozenset(
    ("makefile", "gnumakefile", "dockerfile", "containerfile", "jenkinsfile", "vagrantfile", "rakefile", "gemfile")
) | frozenset(("justfile", "cmakelists.txt", "build", "workspace", "procfile", "brewfile", "snakefile", ".bashrc"))
