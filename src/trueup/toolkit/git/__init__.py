"""Git: a remote becomes a mirror, a commit becomes a tree of files, and a rollback becomes a commit on the remote.

============================  ==========================================================================================
``remote.Remote``             where a repository lives and how one gets in; ``remote.identity`` is its name
``mirror.Mirror``             one bare repository per remote: follow a branch, fetch, read, push
``tree.Tree``                 the files of one revision, read-only; ``git_tree.GitTree`` reads them from Git's objects,
                              ``working_tree.WorkingTree`` as they lie on disk
``history``                   first-parent line, changed paths, blame
``signature``                 was this commit signed by one of these keys
``clone``                     the clone that a person stands in
============================  ==========================================================================================

What goes over the network is done by the git program (people's ssh configuration, credential helpers and known hosts work);
what reads and writes objects is done by libgit2 in this process. At every edge there are only plain values: commits and object ids
are 40 hexadecimal digits, paths are relative to the repository's root with ``/`` between names, and ``""`` is the root.
"""
