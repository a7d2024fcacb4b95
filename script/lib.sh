# Shared by the scripts beside it: a Python, the virtual environment, packages of the system.
# Sourced by /bin/sh with the repository as the working folder. Leaves $python set.
# shellcheck shell=sh

home=${TICKETRESTAURANT_HOME:-var}
python=.venv/bin/python

say() { echo "$*" >&2; }

missing() { # the one thing to do before trying again
    say "Cannot go on: $*"
    exit 5
}

have() { command -v "$1" >/dev/null 2>&1; }

is_root() { [ "$(id -u)" = 0 ]; }

quietly() { # shows what a command said only if it failed
    said=$(mktemp)
    if "$@" >"$said" 2>&1 </dev/null; then
        rm -f "$said"
    else
        cat "$said" >&2
        rm -f "$said"
        return 1
    fi
}

# --- Python -------------------------------------------------------------------------------------

find_python() { # prints a Python that is new enough
    for each in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python3.14 python; do
        if "$each" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$each"
            return
        fi
    done
    missing "Python 3.11 or newer is needed; install it, or set PYTHON to its path."
}

make_venv() { # a virtual environment with pip, also where Debian split ensurepip off
    if "$python" -c 'import pip' 2>/dev/null; then return; fi
    base=$(find_python)
    rm -rf .venv
    if ! "$base" -c 'import ensurepip, venv' 2>/dev/null; then
        version=$("$base" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        if is_root && have apt-get; then
            install_debian "python$version-venv"
        elif "$base" -m virtualenv --version >/dev/null 2>&1; then
            quietly "$base" -m virtualenv .venv && return
        else
            missing "Python's venv is missing; install the package python$version-venv."
        fi
    fi
    quietly "$base" -m venv .venv || missing "no virtual environment could be made in .venv."
}

use_venv() { # LOCK: makes .venv hold exactly what LOCK pins, and this project; at once if it does
    make_venv
    wanted=$(cat "$1" pyproject.toml | cksum)
    stamp=.venv/installed-$1
    if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then return; fi
    say "Installing the Python packages of $1 …"
    quietly "$python" -m pip --disable-pip-version-check --no-input install \
        --require-hashes --only-binary :all: -r "$1" ||
        missing "the Python packages of $1 could not be installed (see above)."
    # The build back-end is pinned by the lock as well: nothing else is fetched.
    quietly "$python" -m pip --disable-pip-version-check --no-input install \
        --no-deps --no-build-isolation --editable . ||
        missing "this project could not be installed into .venv (see above)."
    echo "$wanted" >"$stamp"
}

# --- Packages of the system ---------------------------------------------------------------------

install_debian() { # PACKAGE...: as root
    say "Installing $* …"
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    if ! apt-get install -y --no-install-recommends "$@" >/dev/null 2>&1 </dev/null; then
        quietly apt-get update || true
        quietly apt-get install -y --no-install-recommends "$@" ||
            missing "the packages $* could not be installed (see above)."
    fi
}

unpack_debian() { # FOLDER PACKAGE...: below FOLDER, for who is not root
    folder=$1
    shift
    say "Unpacking $* under $folder …"
    mkdir -p "$folder/apt/lists/partial" "$folder/apt/cache/archives/partial"
    (
        cd "$folder/apt"
        # Lists of our own where the system has none: an ordinary user cannot refresh those.
        set -- "$@"
        if ! quietly apt-get download "$@" 2>/dev/null; then
            options="-o Dir::State::lists=$PWD/lists -o Dir::Cache=$PWD/cache"
            # shellcheck disable=SC2086
            quietly apt-get $options update && quietly apt-get $options download "$@"
        fi
        for each in ./*.deb; do dpkg -x "$each" ..; done
    ) || missing "the packages $* could not be fetched; let the administrator install them."
    rm -rf "$folder/apt"
}

softhsm_module() { # prints where SoftHSM's module is, if it is anywhere
    for root in "" "$home/system"; do
        for place in usr/lib/softhsm usr/lib/*/softhsm usr/lib64/pkcs11 usr/lib64/softhsm \
            usr/local/lib/softhsm opt/homebrew/lib/softhsm; do
            for found in "$root"/$place/libsofthsm2.so; do
                if [ -f "$found" ]; then
                    echo "$found"
                    return
                fi
            done
        done
    done
    return 1
}

need_softhsm() { # the software token, unless another HSM is configured
    if [ -n "${TICKETRESTAURANT_PKCS11_MODULE:-}${SOFTHSM2_MODULE:-}" ]; then return; fi
    if softhsm_module >/dev/null; then
        :
    elif have apt-get && is_root; then
        install_debian softhsm2
    elif have apt-get && have dpkg; then
        unpack_debian "$home/system" libsofthsm2
    elif have brew; then # macOS: untested
        quietly brew install softhsm || missing "SoftHSM could not be installed by brew."
    else
        missing "SoftHSM is missing; install the package softhsm2 (or softhsm)."
    fi
    module=$(softhsm_module) || missing "SoftHSM's module was not found after installing it."
    "$python" -c 'import ctypes, sys; ctypes.CDLL(sys.argv[1])' "$module" ||
        missing "$module cannot be loaded: one of the system's libraries is missing (see above)."
    case $module in /opt/homebrew/*) export SOFTHSM2_MODULE="$module" ;; esac
}

want() { # PROGRAM PACKAGE: installed if we may; tests that need it are skipped without it
    if have "$1"; then
        :
    elif is_root && have apt-get; then
        install_debian "$2"
    else
        say "No $1 here: what needs it is skipped (package $2)."
    fi
}
